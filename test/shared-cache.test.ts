import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { completion } from '@signalbox/testkit'
import { afterAll, expect, it, onTestFinished } from 'vitest'
import type { CacheAnswer } from './support/cache-orders.ts'
import { startCacheProcess, temporaryFolder } from './support/processes.ts'
import { eventually, upstreamThat } from './support/routers.ts'

const { folder, remove } = temporaryFolder()
afterAll(remove)

/** Two processes that share a file, over an upstream that says the seed. */
async function twoProcesses(name: string) {
  const upstream = await upstreamThat(({ json }) =>
    completion({ content: `seed ${(json() as { seed: number }).seed}`.padEnd(2_000, '.') }),
  )
  const file = join(folder, name)
  const started = await Promise.all([1, 2].map(() => startCacheProcess(file, upstream.baseUrl)))
  for (const one of started) onTestFinished(() => one.kill())
  return { upstream, file, processes: started as [(typeof started)[0], (typeof started)[0]] }
}

const timeout = 60_000
const seedsFrom = (first: number) => Array.from({ length: 50 }, (_, index) => first + index)
const outcomes = (answers: readonly CacheAnswer[]) => [...new Set(answers.map(({ outcome }) => outcome))]
const isRight = (seeds: readonly number[], answers: readonly CacheAnswer[]) =>
  answers.every(({ content }, index) => content === `seed ${seeds[index]}`.padEnd(2_000, '.'))

it('two processes answer from what either of them was answered, while both write', { timeout }, async () => {
  const { upstream, processes } = await twoProcesses('shared.db')
  const seeds = [seedsFrom(0), seedsFrom(100)]
  const first = await Promise.all(processes.map((one, at) => one.tell<CacheAnswer[]>({ do: 'ask', seeds: seeds[at]! })))
  expect(first.map(outcomes)).toEqual([['miss'], ['miss']])
  expect(upstream.requests).toHaveLength(100)
  // What they have not written by now they write when they close: here it is a moment.
  await eventually(() => entriesIn('shared.db') === 100)
  const swapped = await Promise.all(
    processes.map((one, at) => one.tell<CacheAnswer[]>({ do: 'ask', seeds: seeds[1 - at]! })),
  )
  for (const [at, answers] of swapped.entries()) {
    expect(answers.every(({ layer }) => layer === 'sqlite')).toBe(true)
    expect(isRight(seeds[1 - at]!, answers)).toBe(true)
  }
  expect(upstream.requests).toHaveLength(100)
  for (const one of processes) {
    expect(await one.tell({ do: 'warnings' })).toEqual([])
    await one.tell({ do: 'close' })
  }
})

it('a process that is killed while it writes leaves a file that the other goes on with', { timeout }, async () => {
  const { file, processes, upstream } = await twoProcesses('killed.db')
  const [victim, survivor] = processes
  await victim.tell({ do: 'flood', from: 1_000 })
  await eventually(() => entriesIn('killed.db') > 100)
  await victim.kill()
  const seeds = seedsFrom(1_000)
  const answers = await survivor.tell<CacheAnswer[]>({ do: 'ask', seeds })
  expect(outcomes(answers)).toEqual(['hit'])
  expect(isRight(seeds, answers)).toBe(true)
  const before = upstream.requests.length
  const fresh = seedsFrom(0)
  expect(outcomes(await survivor.tell<CacheAnswer[]>({ do: 'ask', seeds: fresh }))).toEqual(['miss'])
  expect(upstream.requests).toHaveLength(before + fresh.length)
  await survivor.tell({ do: 'close' })
  const database = new DatabaseSync(file)
  expect(database.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' })
  database.close()
})

function entriesIn(name: string): number {
  const database = new DatabaseSync(join(folder, name), { readOnly: true })
  try {
    return (database.prepare('select count(*) as entries from answers').get() as { entries: number }).entries
  } finally {
    database.close()
  }
}
