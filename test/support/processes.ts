import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { RouterOrder, RouterProcessOptions } from './billing-orders.ts'
import type { CacheOrder } from './cache-orders.ts'
import type { StoreOrder } from './store-orders.ts'

/** A process that takes orders. */
export interface OrderedProcess<Order> {
  /** Gives it an order; its answer. Rejects when it dies before. */
  tell<T = void>(order: Order): Promise<T>
  /** Ends it with SIGKILL, and settles when it is no more. */
  kill(): Promise<void>
}

/** A process over a store that it shares with others. */
export type StoreProcess = OrderedProcess<StoreOrder>

/** A folder for a test, which goes with it. */
export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-processes-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }) }
}

/** Starts a process over the store in `file`, ready for its first order. */
export const startStoreProcess = (file: string, processLeaseMs = 2_000): Promise<StoreProcess> =>
  startProcess(fileURLToPath(new URL('store-process.ts', import.meta.url)), [file, String(processLeaseMs)])

/** Starts a process over a router with a cache in `file`, ready for its first order. */
export const startCacheProcess = (file: string, baseUrl: string): Promise<OrderedProcess<CacheOrder>> =>
  startProcess(fileURLToPath(new URL('cache-process.ts', import.meta.url)), [file, baseUrl])

/** Makes one file of what a process over a router runs, so that many can be started: it takes a quarter of the time. */
export async function bundleRouterProcess(folder: string): Promise<string> {
  const outfile = join(folder, 'router-process.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('router-process.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@signalbox/source'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    outfile,
  })
  return outfile
}

/** Starts a process over a router, ready for its first order. */
export const startRouterProcess = (
  bundle: string,
  options: RouterProcessOptions,
): Promise<OrderedProcess<RouterOrder>> => startProcess(bundle, [JSON.stringify(options)])

async function startProcess<Order extends object>(
  script: string,
  args: readonly string[],
): Promise<OrderedProcess<Order>> {
  const child = fork(script, args, {
    execArgv: ['--conditions=@signalbox/source', '--disable-warning=ExperimentalWarning'],
    env: { ...process.env, ...(script.endsWith('.mjs') && { NODE_COMPILE_CACHE: join(dirname(script), 'compiled') }) },
  })
  const died = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`The process ended with ${code ?? signal}`)
  })
  died.catch(() => {})
  const nextAnswer = async () => (await Promise.race([once(child, 'message'), died])) as [{ answer: unknown }]
  await nextAnswer()

  async function tell<T>(order: Order): Promise<T> {
    child.send(order)
    const [{ answer }] = await nextAnswer()
    return answer as T
  }

  async function kill(): Promise<void> {
    child.kill('SIGKILL')
    await died.catch(() => {})
  }

  return { tell, kill }
}
