import { expect, it } from 'vitest'
import { type RunOptions, measure } from './measure.ts'
import { report } from './report.ts'
import { type Phase, rows } from './rows.ts'

/** As short as a run can be, on the sources. Every light row answers; two of them go through the phases. */
const options: RunOptions = {
  rows: rows
    .filter(({ heavy }) => !heavy)
    .map((row) => (['direct', 'pipe', 'listener'].includes(row.id) ? row : { ...row, phases: [] })),
  phases: ['busy', 'first-chunk', 'failover', 'hold'],
  rounds: 1,
  seconds: 0.1,
  leadInSeconds: 0.1,
  warmUpRequests: 0,
  longestWarmUpMs: 0,
  openStreams: 5,
  holdChunks: 2,
  useWrk: false,
  quietShare: Infinity,
  repeatSeconds: 0,
  nodeParameters: ['--conditions=@signalbox/source'],
  say: () => undefined,
}

const isLinux = process.platform === 'linux'

it.runIf(isLinux)('measures every row that starts quickly', { timeout: 60_000 }, async () => {
  const results = await measure(options)
  expect([...results.faults]).toEqual([])
  expect(results.rows.map(({ id }) => id)).toEqual(options.rows.map(({ id }) => id))
  const phasesOf = (row: string): Phase[] => [...(results.samples.get(row)?.keys() ?? [])]
  expect(phasesOf('pipe')).toEqual(['busy', 'first-chunk', 'hold'])
  expect(phasesOf('listener')).toEqual(['busy', 'first-chunk', 'failover', 'hold'])
  const samples = [...results.samples.get('listener')!.values()].flatMap((rounds) => [...rounds.values()])
  expect(samples.map(({ failed }) => failed)).toEqual([0, 0, 0, 0])
  expect(samples.map(({ cpu }) => cpu! > 0)).toEqual([true, true, true, true])
  expect(results.ledgered).toEqual([expect.any(Number)])
  expect(results.ledgered[0]).toBeGreaterThan(100)
  expect(results.hooked).toEqual([{ handedOn: expect.any(Number), async: expect.any(Number) }])
  expect(report(results)).toMatch(/^Eight plugins that do nothing add -?\d+\.\d\d µs/m)
  expect(report(results)).toMatch(/^One process writes \d+ calls a second into its ledger/m)
  expect(report(results)).toMatch(/^\| CPU per request ÷ pipe +\| +≤ 1.35, ≤ 1.5, ≤ 0.7 \| +\d/m)
})
