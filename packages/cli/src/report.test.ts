import { dirname, join } from 'node:path'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type Report, createSqliteLedger, systemClock } from '@signalbox/core'
import { startSimulatedProvider } from '@signalbox/testkit'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { configFile, finished, following, ran, served } from './testing/signalbox.ts'

const prices = {
  'gpt-4.1': { input: 8, cachedInput: 2, output: 24 },
  'claude-sonnet-4.5': { input: 15, output: 75 },
  'gemini-2.5-flash': { input: 2.5, output: 10 },
  'deepseek-v3.2': { input: 0.42, output: 2.1 },
}
const weights = { 'deepseek-v3.2': 60, 'gemini-2.5-flash': 25, 'gpt-4.1': 10, 'claude-sonnet-4.5': 5 }
const provider = { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:9/v1' }
const config = configFile({
  models: Object.fromEntries(Object.entries(prices).map(([name, price]) => [name, { ...provider, price }])),
  routes: {
    auto: { strategy: 'weighted', models: Object.entries(weights).map(([model, weight]) => ({ model, weight })) },
  },
  ledger: 'report.db',
  keys: [{ file: 'report-keys.json' }],
})
const file = join(dirname(config), 'report.db')
const evil = '=cmd|"\u001B[31m\r\nred'

beforeAll(async () => {
  const ledger = createSqliteLedger({ file, clock: systemClock })
  const time = Date.now() - 3_000
  const rows = [
    { model: 'claude-sonnet-4.5', user: 'ada', usd: 1.5, outcome: 'upstream_error' },
    { model: 'claude-sonnet-4.5', user: 'ada', usd: 3, outcome: 'ok' },
    { model: 'deepseek-v3.2', user: evil, usd: 0.25, outcome: 'ok' },
  ] as const
  for (const [index, { model, user, usd, outcome }] of rows.entries()) {
    const base = { callKey: `c${index}`, callId: `id${index}`, time, identity: { user }, route: 'auto', outcome }
    const tokens = {
      inputTokens: 100_000,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 20_000,
      reasoningTokens: 0,
    }
    ledger.post({
      ...base,
      ...tokens,
      place: 0,
      model,
      provider: 'p',
      latencyMs: 1_234,
      costNanoUsd: BigInt(usd * 1e9),
      estimated: false,
      overrun: false,
    })
    const failovers = index === 0 ? [{ from: 'a', to: 'b', reason: 'upstream_error', route: 'auto', time }] : []
    ledger.close({ ...base, model, durationMs: 1_500, failovers: failovers.length, decision: { failovers } })
  }
  await ledger.end()
})

afterAll(() => {
  for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true })
})

const report = async (line: string, { columns = 80, by = ran } = {}) => {
  const { code, stdout, stderr } = await by(['report', ...line.split(' ').filter(Boolean), '--config', config], {
    COLUMNS: String(columns),
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.trimEnd()
}

it.each([
  { columns: 80, by: finished },
  { columns: 160, by: ran },
])(
  'prints what was spent in a table that fits $columns columns, of calls that ended a moment ago',
  async ({ columns, by }) => {
    const lines = (await report('', { columns, by })).split('\n')
    expect(lines[0]).toMatch(/^Costs by model, \d{4}-\d\d-\d\d \d\d:\d\d to \d{4}-\d\d-\d\d \d\d:\d\d \(UTC\)$/)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
    expect(lines.at(-1)).toMatch(/^total +3 .*4\.75/)
    expect(lines[3]).toMatch(/^claude-sonnet-4\.5 +2 .*4\.50 .*50\.0 %.*█/)
    expect(lines[4]).toMatch(/^deepseek-v3\.2 +1 .*0\.25/)
    expect(lines.join('\n')).not.toContain('\u001B')
  },
)

it('prints savings, and a baseline by its name', async () => {
  expect(await report('savings --baseline gpt-4.1')).toMatch(/total +4\.75 +3\.84 +-0\.91 +-23\.7 % +13\.19/)
  expect(await ran(['report', 'savings', '--baseline', 'nix', '--config', config])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'signalbox: No price is known for the baseline "nix": name a model that is configured, or used\n',
  })
})

it('prints JSON whose money sums to its total', async () => {
  const { rows, total, by } = JSON.parse(await report('--by user --format json'))
  expect(by).toBe('user')
  expect(rows.map(({ key, costUsd }: { key: string; costUsd: string }) => [key, costUsd])).toEqual([
    ['ada', '4.5'],
    [evil, '0.25'],
  ])
  expect(total).toMatchObject({ calls: 3, costUsd: '4.75' })
})

it('prints CSV that no spreadsheet runs, and a table that no name breaks', async () => {
  expect(await report('--by user --format csv')).toContain(`"'=cmd|""\u001B[31m\r\nred",1,1,0,100000,`)
  const table = await report('--by user')
  expect(table).not.toContain('\u001B')
  expect(table).toContain('=cmd|"')
  expect(table.split('\n')).toHaveLength(7)
})

it('keeps to a period and a filter', async () => {
  expect(await report('--from 2020-01-01 --to 2020-01-31')).toContain('There is nothing in this period.')
  expect(JSON.parse(await report('--user ada --format json')).total).toMatchObject({ calls: 2 })
})

it.each([
  ['--model', 'gpt-4.1, claude-sonnet-4.5, gemini-2.5-flash, deepseek-v3.2'],
  ['--route', 'auto, gpt-4.1, claude-sonnet-4.5, gemini-2.5-flash, deepseek-v3.2'],
])('says of a %s that nobody knows that it is none', async (flag, names) => {
  expect(await ran(['report', flag, 'nowhere', '--config', config])).toEqual({
    code: 1,
    stdout: '',
    stderr: `signalbox: ${flag}: expected one of ${names}, or one in the ledger, got "nowhere"\n`,
  })
})

it('takes a time that names no zone as it prints it, in UTC, wherever it runs', async () => {
  const args = ['report', '--config', config, '--from', '2026-11-21T12:00', '--to', '2026-11-21T13:00:00.5']
  const { stdout } = await finished(args, { TZ: 'America/New_York' })
  expect(stdout).toContain('Costs by model, 2026-11-21 12:00 to 2026-11-21 13:00 (UTC)')
})

it('projects a month of given traffic: 6,480 USD spread evenly, 2,427 by weight (requirements, D7)', async () => {
  const table = await report('projection --requests 1000000 --input-tokens 1000')
  expect(table).toMatch(/^A month of 1,000,000 requests and 1,000,000,000 tokens$/m)
  expect(table).toMatch(/^round-robin +6,480\.00/m)
  expect(table).toMatch(/^weighted \(auto\) +2,427\.00/m)
  const mix = 'deepseek-v3.2=60,gemini-2.5-flash=25,gpt-4.1=10,claude-sonnet-4.5=5'
  const { rows } = JSON.parse(await report(`projection --requests 1000000 --mix ${mix} --format json`))
  expect(rows.find(({ strategy }: { strategy: string }) => strategy === 'as given')).toMatchObject({
    monthlyUsd: '2427',
  })
  const observed = await report('projection')
  expect(observed).toMatch(/^as observed +/m)
  expect(observed).toMatch(/^Reckoned from \d+ calls in \d+(\.\d)? (days|hours|minutes|seconds)\.$/m)
})

it('never shows for free what nobody knows the price of', async () => {
  const models = {
    known: { ...provider, price: { input: 1, output: 1 } },
    llama: provider,
  }
  const routes = { auto: { strategy: 'weighted', models: ['known', 'llama'] } }
  const own = configFile({ models, routes, ledger: 'unpriced.db' })
  const ledger = createSqliteLedger({ file: join(dirname(own), 'unpriced.db'), clock: systemClock })
  const tokens = { inputTokens: 1_000, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 50, reasoningTokens: 0 }
  const about = { callKey: 'c', callId: 'id', identity: {}, route: 'auto', provider: 'p', outcome: 'ok' }
  for (const [place, model] of ['known', 'llama', 'llama'].entries())
    ledger.post({
      ...about,
      ...tokens,
      place,
      model,
      time: Date.now() - 3_000,
      latencyMs: 1,
      costNanoUsd: model === 'known' ? 1_050_000n : undefined,
      estimated: false,
      overrun: false,
    })
  await ledger.end()
  const printed = async (line: string) =>
    ran(['report', ...line.split(' ').filter(Boolean), '--config', own], { COLUMNS: '120' })

  const note = '2 attempts used tokens at a price that nobody knows: no sum of money counts them.'
  for (const line of ['', 'savings', '--model llama']) expect((await printed(line)).stdout).toContain(note)
  const { stdout: costs } = await printed('')
  expect(costs).toMatch(/^llama .* unknown /m)
  expect(costs).toMatch(/^total .* ≥ 0\.001050 /m)
  const { rows } = JSON.parse((await printed('--format json')).stdout) as Report
  expect(rows).toMatchObject([{ unpricedAttempts: 0 }, { key: 'llama', attempts: 2, unpricedAttempts: 2 }])
  expect((await printed('--format csv')).stdout).toMatch(/^llama,1,2,2,/m)
  expect((await printed('--model known')).stdout).not.toContain('nobody knows')

  const { stdout } = await printed('projection')
  expect(stdout).toMatch(/^all on the dearest \(known\)/m)
  expect(stdout).not.toMatch(/^(weighted|as observed)/m)
  expect(stdout).toContain('No price is known for llama. Left out: weighted (auto), as observed.')
  const { code, stderr } = await printed('projection --requests 10 --mix known=50,llama=50')
  expect([code, stderr]).toEqual([1, expect.stringContaining('--mix: no price is known for "llama"; there are known')])
  const none = await ran(['report', 'projection', '--requests', '1', '--config', configFile({ models: { provider } })])
  expect(none).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('No price is known for any') })
})

it('recommends, and lists failovers', async () => {
  const found = await report('recommendations')
  expect(found).toMatch(/claude-sonnet-4\.5 is 94\.7 % of the spend/)
  for (const line of found.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  expect(found).toMatch(/Whether a cache would have hit is not known: the ledger keeps nothing of what\s+was asked/)
  const failovers = await report('failovers')
  expect(failovers).toMatch(/^Failovers, .* \(UTC\)$/m)
  expect(failovers).toMatch(/^a +b +upstream_error +auto +1 /m)
  expect(failovers).toMatch(/^total +1$/m)
  expect(await report('failovers --to 2020-01-31')).toContain('No call moved')
})

it('sees a call that a running process has just answered, and sees it when the process is gone', async () => {
  const upstream = await startSimulatedProvider()
  onTestFinished(() => upstream.close())
  const model = {
    ...provider,
    baseUrl: upstream.baseUrl,
    model: 'gpt-4.1',
    apiKey: 'sk-any',
    price: { input: 8, output: 24 },
  }
  const own = configFile({ models: { a: model }, ledger: `beside-${Date.now()}.db` })
  const server = await served(own)
  const body = JSON.stringify({ model: 'a', messages: [{ role: 'user', content: '2 + 3' }] })
  const headers = { 'content-type': 'application/json' }
  await (await fetch(`${server.url}/chat/completions`, { method: 'POST', headers, body })).text()
  const seen = async () => JSON.parse((await ran(['report', '--config', own, '--format', 'json'])).stdout)
  await expect
    .poll(async () => (await seen()).total, { timeout: 5_000 })
    .toMatchObject({ calls: 1, attempts: 1, successRate: 1 })
  const beside = await seen()
  expect(Number(beside.total.costUsd)).toBeGreaterThan(0)
  expect(Date.parse(beside.to)).toBeGreaterThanOrEqual(Date.parse(beside.total.lastUsed))
  server.signal('SIGTERM')
  expect(await server.exited).toBe(0)
  expect((await seen()).total).toEqual(beside.total)
})

it('says what is missing', async () => {
  const none = configFile({ models: { a: provider } })
  const { code, stderr } = await ran(['report', '--config', none])
  expect([code, stderr]).toEqual([1, expect.stringContaining('ledger: expected a SQLite file to read')])
  const unborn = await ran(['report', '--config', configFile({ models: { a: provider }, ledger: 'unborn.db' })])
  expect([unborn.code, unborn.stderr]).toEqual([1, expect.stringContaining('there is no ledger at')])
})

it('says of a ledger that is damaged that it is, in one line', async () => {
  const damaged = configFile({ models: { a: provider }, ledger: 'damaged.db' })
  const path = join(dirname(damaged), 'damaged.db')
  const ledger = createSqliteLedger({ file: path, clock: systemClock })
  const about = { identity: {}, route: 'auto', outcome: 'ok', durationMs: 5, failovers: 0, decision: {} }
  for (let call = 0; call < 500; call++)
    ledger.close({ ...about, callKey: `c${call}`, callId: `id${call}`, time: Date.now() - call })
  await ledger.end()
  const bytes = readFileSync(path)
  // All but the first pages, which say what the file is.
  writeFileSync(path, bytes.fill(0xff, 20_480))
  for (const args of [
    ['replay', path, '--config', damaged],
    ['simulate', '--ledger', path, '--policy', damaged],
    ['tail', '--config', damaged],
  ])
    expect(await ran(args)).toEqual({
      code: 1,
      stdout: '',
      stderr: 'signalbox: a SQLite file of the configuration cannot be used: database disk image is malformed\n',
    })
})

it('makes, lists and revokes keys', async () => {
  const keys = (line: string, by = ran) => by(['keys', ...line.split(' '), '--config', config], { COLUMNS: '100' })
  const made = await keys('create --name shop --route auto --limit-usd 5 --window week --expires 2099-01-01', finished)
  const [key] = made.stdout.split('\n')
  expect(key).toMatch(/^sb-[\w-]{43}$/)
  expect(readFileSync(join(dirname(config), 'report-keys.json'), 'utf8')).not.toContain(key)
  expect((await keys('list')).stdout).toMatch(/shop +[\da-f]{8} +auto +5 USD a week +\d{4}-\d\d-\d\d +2099-01-01/)
  for (const expires of ['2099-02-30', '2099', 'soon'])
    expect(await keys(`create --name shop --expires ${expires}`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--expires: expected a day such as'),
    })
  for (const [flag, there] of [
    ['--route', /^signalbox: --route: expected one of auto, .*, got "nowhere"\n$/],
    ['--model', /^signalbox: --model: expected one of .*, got "nowhere"\n$/],
  ] as const)
    expect(await keys(`create --name lost ${flag} nowhere`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(there),
    })
  await keys('create --name capped --max-cost-usd 0.5')
  expect((await keys('list')).stdout).toMatch(/capped +[\da-f]{8} +everything +0\.5 USD a call /)
  expect((await keys('revoke shop')).stdout).toMatch(/^revoked shop \([\da-f]{8}\)\n$/)
  expect(await keys('revoke shop')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('There is no key "shop"'),
  })
})

it('shows the last calls, however long ago they ended', async () => {
  const quiet = configFile({ models: { a: provider }, ledger: 'quiet.db' })
  const ledger = createSqliteLedger({ file: join(dirname(quiet), 'quiet.db'), clock: systemClock })
  const about = { identity: {}, route: 'auto', outcome: 'ok', durationMs: 5, failovers: 0, decision: {} }
  for (const day of [1, 2, 3])
    ledger.close({ ...about, callKey: `c${day}`, callId: `id${day}`, time: Date.UTC(2026, 0, day) })
  await ledger.end()
  const tail = following(['tail', '--config', quiet, '--lines', '2'])
  await tail.printed('2026-01-03 00:00:00  ok  auto')
  tail.signal('SIGTERM')
  await tail.exited
  expect(tail.output().stdout.match(/^2026-01-0\d/gm)).toEqual(['2026-01-02', '2026-01-03'])
})

it('follows the ledger: the last calls, and each that ends from now on', async () => {
  const tail = following(['tail', '--config', config, '--lines', '1', '--json'])
  await tail.printed('"id":"id')
  const ledger = createSqliteLedger({ file, clock: systemClock })
  const about = { identity: {}, route: 'auto', outcome: 'ok', failovers: 0, decision: {} }
  ledger.close({ ...about, callKey: 'long', callId: 'of ten minutes', time: Date.now() - 600_000, durationMs: 600_000 })
  ledger.close({ ...about, callKey: 'new', callId: 'fresh', time: Date.now(), durationMs: 5 })
  await ledger.end()
  await tail.printed('"id":"fresh"')
  await tail.printed('"id":"of ten minutes"')
  tail.signal('SIGTERM')
  expect(await tail.exited).toBe(0)
  expect(tail.output().stdout.split('\n').filter(Boolean)).toHaveLength(3)
})

it('follows calls for as long as one may take, and shows each once', async () => {
  const patient = configFile({ models: { a: provider }, timeouts: { callMs: 7_200_000 }, ledger: 'patient.db' })
  const ledger = createSqliteLedger({ file: join(dirname(patient), 'patient.db'), clock: systemClock })
  onTestFinished(() => ledger.end())
  const about = { identity: {}, route: 'auto', outcome: 'ok', failovers: 0, decision: {} }
  const end = async (callId: string, durationMs: number) => {
    ledger.close({ ...about, callKey: callId, callId, time: Date.now() - durationMs, durationMs })
    await ledger.flush()
  }
  await end('before', 3_600_000)
  const tail = following(['tail', '--config', patient, '--json'])
  await tail.printed('"id":"before"')
  await end('of an hour', 3_600_000)
  await tail.printed('"id":"of an hour"')
  await end('short', 5)
  await tail.printed('"id":"short"')
  tail.signal('SIGTERM')
  await tail.exited
  expect(tail.output().stdout.split('\n').filter(Boolean)).toHaveLength(3)
})

it('ends, and says why, when the ledger that it follows is taken away', async () => {
  const moved = configFile({ models: { a: provider }, ledger: 'moved.db' })
  const there = join(dirname(moved), 'moved.db')
  const ledger = createSqliteLedger({ file: there, clock: systemClock })
  const about = { identity: {}, route: 'auto', outcome: 'ok', durationMs: 5, failovers: 0, decision: {} }
  ledger.close({ ...about, callKey: 'c', callId: 'id', time: Date.UTC(2026, 0, 1) })
  await ledger.end()
  const tail = following(['tail', '--config', moved])
  await tail.printed('2026-01-01')
  rmSync(there)
  expect(await tail.exited).toBe(1)
  expect(tail.output().stderr).toBe(
    `signalbox: ${there} was moved, removed or replaced while it was open: put it back, or start anew\n`,
  )
})
