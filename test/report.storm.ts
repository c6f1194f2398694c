import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Report, createMemoryLedger, createSqliteLedger, systemClock } from '@signalbox/core'
import { afterAll, describe, expect, it } from 'vitest'
import type { Measured } from './support/measured.ts'
import { seedTraffic, trafficPrices } from './support/report-traffic.ts'

const dayMs = 86_400_000
const groups = ['model', 'user', 'key', 'team', 'route', 'tag', 'day'] as const
const folder = mkdtempSync(join(tmpdir(), 'signalbox-report-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const bin = fileURLToPath(new URL('../packages/cli/src/bin.ts', import.meta.url))
const measured = new URL('support/measured.ts', import.meta.url).href

/** Runs the real command over a ledger, and says what it took. */
async function command(config: string, args: readonly string[]) {
  const child = spawn(
    process.execPath,
    ['--conditions=@signalbox/source', '--import', measured, bin, ...args, '--config', config],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  )
  const [, stdout, stderr, told] = child.stdio as unknown as [null, Readable, Readable, Readable]
  const [output, errors, took] = await Promise.all([text(stdout), text(stderr), text(told)])
  expect(errors).toBe('')
  return { output, took: JSON.parse(took) as Measured }
}

function configOf(name: string): string {
  const file = join(folder, `${name}.json`)
  const provider = { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:9/v1' }
  const models = Object.fromEntries(
    Object.entries(trafficPrices).map(([model, price]) => [model, { ...provider, price }]),
  )
  writeFileSync(file, JSON.stringify({ models, ledger: `${name}.db` }))
  return file
}

describe('a report', () => {
  it('is the same from memory and from SQLite, whatever it is by', async () => {
    const to = Date.now()
    const traffic = { calls: 5_000, seed: 2, from: to - 20 * dayMs, to }
    const file = join(folder, 'small.db')
    const ledgers = [createMemoryLedger(), createSqliteLedger({ file, clock: systemClock })]
    const queries = [{}, { model: 'gpt-4.1' }, { user: 'user-7' }, { tag: 'chat' }, { from: to - 7 * dayMs }]
    for (const ledger of ledgers) await seedTraffic(ledger, traffic)
    for (const by of groups)
      for (const query of queries) {
        const [inMemory, inFile] = ledgers.map((ledger) => ledger.report({ from: traffic.from, to, ...query, by }))
        expect(inMemory!.rows.length).toBeGreaterThan(0)
        expect(inFile).toEqual(inMemory)
      }
    expect(ledgers[1]!.recommendations()).toEqual(ledgers[0]!.recommendations())
    for (const ledger of ledgers) await ledger.end()
  })

  it('of a month of a million calls takes little memory, and its sums are those of the ledger', async () => {
    const to = Date.now()
    const file = join(folder, 'month.db')
    const ledger = createSqliteLedger({ file, clock: systemClock })
    await seedTraffic(ledger, { calls: 1_000_000, seed: 1, from: to - 29.9 * dayMs, to })
    const spent = ledger.totals('model').reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0n)
    await ledger.end()
    const config = configOf('month')
    const start = await command(config, ['--version'])
    console.log(`  1,000,000 calls, ${Math.round(statSync(file).size / 2 ** 20)} MiB; to start: ${said(start.took)}`)
    const commands = [
      ...groups.map((by) => ['report', '--by', by]),
      ...['savings', 'recommendations', 'projection', 'failovers'].map((kind) => ['report', kind]),
    ]
    const reports: Report[] = []
    for (const args of commands) {
      const { output, took } = await command(config, [...args, '--format', 'json'])
      console.log(`  ${args.join(' ')}: ${said(took)}`)
      expect(took.peakMib).toBeLessThan(300)
      if (args[1] === '--by') reports.push(JSON.parse(output) as Report)
    }
    expect(reports.map(({ total }) => nanoUsd(total.costUsd))).toEqual(groups.map(() => spent))
    for (const { rows } of reports.filter(({ by }) => by !== 'tag'))
      expect(rows.reduce((sum, { costUsd }) => sum + nanoUsd(costUsd), 0n)).toBe(spent)
  }, 600_000)
})

const said = ({ cpuMs, wallMs, peakMib }: Measured) => `${wallMs} ms (CPU ${cpuMs} ms), at most ${peakMib} MiB`

function nanoUsd(usd: string): bigint {
  const [whole = '0', fraction = ''] = usd.split('.')
  return BigInt(whole) * 10n ** 9n + BigInt(fraction.padEnd(9, '0'))
}
