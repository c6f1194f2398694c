import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom, systemClock } from '@signalbox/core'
import { createSqliteStore } from '../../packages/core/src/store/sqlite/index.ts'
import type { Sampled, StormCall, StormLimits } from './store-orders.ts'
import { startStoreProcess, type StoreProcess, temporaryFolder } from './processes.ts'

export interface StormOptions {
  processes: number
  callers: number
  limits: StormLimits
  /** How many processes are killed while they call; another takes the place of each. */
  kills: number
  seed: number
}

/** What came of a storm. */
export interface StormResult {
  calls: readonly StormCall[]
  sampled: Sampled
  /** What counted after the leases of the dead had ended. */
  left: { key: string; posted: number; held: number }[]
}

const processLeaseMs = 2_000
const keys = ['money', 'requests', 'concurrency']

/** Lets processes spend from one store until nothing is left, while some are killed and one looks on. */
export async function runStorm({ processes, callers, limits, kills, seed }: StormOptions): Promise<StormResult> {
  const random = seededRandom(seed)
  const { folder, remove } = temporaryFolder()
  const file = join(folder, 'store.db')
  const started: StoreProcess[] = []
  const logs: string[] = []
  let killsLeft = kills

  async function start(): Promise<StoreProcess> {
    const one = await startStoreProcess(file, processLeaseMs)
    started.push(one)
    return one
  }

  /** Storms in one process, or in the next when it is killed. */
  async function stormInOne(): Promise<void> {
    const log = join(folder, `calls-${logs.push('')}.jsonl`)
    logs[logs.length - 1] = log
    const one = await start()
    const over = one.tell({ do: 'storm', limits, callers, seed: Math.floor(random() * 2 ** 32), log })
    const isKilled = await Promise.race([
      over.then(() => false),
      sleep(100 + random() * 900).then(() => killsLeft-- > 0),
    ])
    if (!isKilled) return over.then(() => one.tell({ do: 'close' }))
    await one.kill()
    await over.catch(() => {})
    return stormInOne()
  }

  try {
    const sampler = await start()
    await sampler.tell({ do: 'sample', keys })
    await Promise.all(Array.from({ length: processes }, stormInOne))
    await sleep(processLeaseMs + 100)
    const sampled = await sampler.tell<Sampled>({ do: 'close' })
    return { calls: logs.flatMap(readLog), sampled, left: readAll(file) }
  } finally {
    killsLeft = 0
    for (const one of started) void one.kill()
    remove()
  }
}

function readAll(file: string) {
  const store = createSqliteStore({ file, clock: systemClock })
  store.sweep()
  const left = store.read(keys).map(({ posted, held }, index) => ({
    key: keys[index]!,
    posted: Number(posted),
    held: Number(held),
  }))
  store.close()
  return left
}

/** The calls in a log, but for a last line that a kill cut. */
function readLog(log: string): StormCall[] {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : []
  return lines.map((line) => JSON.parse(line) as StormCall)
}

/** The most calls that cost something and were certainly granted within one window. */
export function mostInWindow(calls: readonly StormCall[], windowMs: number): number {
  const inOrder = calls.filter(({ cost }) => cost > 0).toSorted((left, right) => left.askedAt - right.askedAt)
  const counts = inOrder.map(({ askedAt: start }, first) => {
    const end = inOrder.findIndex(({ askedAt }, index) => index > first && askedAt >= start + windowMs)
    const asked = inOrder.slice(first, end < 0 ? undefined : end)
    return asked.filter(({ grantedAt }) => grantedAt < start + windowMs).length
  })
  return Math.max(0, ...counts)
}
