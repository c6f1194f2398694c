import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StoreOrder } from './store-orders.ts'

/** A process over a store that it shares with others. */
export interface StoreProcess {
  /** Gives it an order; its answer. Rejects when it dies before. */
  tell<T = void>(order: StoreOrder): Promise<T>
  /** Ends it with SIGKILL. */
  kill(): void
}

/** A folder for a test, which goes with it. */
export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-processes-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Starts a process over the store in `file`, ready for its first order. */
export async function startStoreProcess(file: string, processLeaseMs = 2_000): Promise<StoreProcess> {
  const child = fork(fileURLToPath(new URL('store-process.ts', import.meta.url)), [file, String(processLeaseMs)], {
    execArgv: ['--conditions=@signalbox/source', '--disable-warning=ExperimentalWarning'],
  })
  const died = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`The process ended with ${code ?? signal}`)
  })
  died.catch(() => {})
  const nextAnswer = async () => (await Promise.race([once(child, 'message'), died])) as [{ answer: unknown }]
  await nextAnswer()

  async function tell<T>(order: StoreOrder): Promise<T> {
    child.send(order)
    const [{ answer }] = await nextAnswer()
    return answer as T
  }

  return { tell, kill: () => void child.kill('SIGKILL') }
}
