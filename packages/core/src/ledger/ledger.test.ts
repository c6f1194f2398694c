import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createFakeClock } from '@signalbox/testkit'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createMemoryLedger } from './memory-ledger.ts'
import { createSqliteLedger } from './sqlite-ledger.ts'
import type {
  CallQuery,
  Ledger,
  LedgerAttempt,
  LedgerCall,
  LedgerGroup,
  LedgerIntent,
  LedgerQuery,
  OnEntries,
} from './types.ts'

let folder: string
let file: string
const open: Ledger[] = []

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ledger-'))
  file = path.join(folder, 'ledger.db')
})

afterEach(async () => {
  for (const ledger of open.splice(0)) await ledger.end().catch(() => undefined)
  fs.rmSync(folder, { recursive: true, force: true })
})

const clock = createFakeClock()
const keep = (ledger: Ledger) => (open.push(ledger), ledger)
const sqlite = (options: { onEntries?: OnEntries; onError?: (error: unknown) => void } = {}) =>
  keep(createSqliteLedger({ file, clock, ...options }))

/** Keeps each fdatasync waiting until its callback, in this list, is called. */
function heldSyncs() {
  const waiting: ((error: NodeJS.ErrnoException | null) => void)[] = []
  const sync = vi.spyOn(fs, 'fdatasync').mockImplementation((_log, done) => void waiting.push(done))
  onTestFinished(() => sync.mockRestore())
  return waiting
}

const attempt = (over: Partial<LedgerAttempt> = {}): LedgerAttempt => ({
  callKey: 'c1',
  place: 0,
  callId: 'id',
  time: Date.UTC(2026, 0, 1),
  identity: { key: 'k1', user: 'u1', team: 't1', tags: ['x', 'y'] },
  route: 'auto',
  model: 'a',
  provider: 'openai',
  outcome: 'ok',
  status: 200,
  latencyMs: 12.5,
  firstTokenMs: 3.25,
  inputTokens: 10,
  cachedInputTokens: 4,
  cacheWriteTokens: 2,
  outputTokens: 5,
  reasoningTokens: 1,
  costNanoUsd: 60n,
  estimated: false,
  overrun: false,
  prices: { input: 1, cachedInput: 2, cacheWrite: 3, output: 4, reasoning: 5 },
  priceSource: 'configuration',
  ...over,
})

const call = (over: Partial<LedgerCall> = {}): LedgerCall => ({
  callKey: 'c1',
  callId: 'id',
  parent: undefined,
  time: Date.UTC(2026, 0, 1),
  identity: { key: 'k1', user: 'u1', team: 't1', tags: ['x', 'y'] },
  route: 'auto',
  model: 'a',
  outcome: 'ok',
  durationMs: 13,
  failovers: 0,
  decision: { seed: 7, labels: {} },
  ...over,
})

const intent: LedgerIntent = { ...attempt(), boundNanoUsd: 60 }

const day = 86_400_000
const start = Date.UTC(2026, 0, 1)
const many = [
  attempt({
    callKey: 'c2',
    time: start + day,
    model: 'b',
    costNanoUsd: 2n ** 53n + 1n,
    identity: { user: 'u2', tags: ['y'] },
  }),
  attempt({ callKey: 'c1', place: 1, outcome: 'upstream_error', costNanoUsd: undefined, estimated: true }),
  attempt({ callKey: 'c1', place: 0 }),
  attempt({
    callKey: 'c3',
    time: start + 2 * day,
    route: 'other',
    identity: { key: 'k2', tags: ['x', 'x'] },
    overrun: true,
  }),
  attempt({ callKey: 'c4', time: start + 2 * day, model: 'b', identity: {}, costNanoUsd: 2n ** 60n }),
]

describe.each([
  ['memory', () => keep(createMemoryLedger())],
  ['sqlite', () => sqlite()],
] as const)('a ledger in %s', (_name, make) => {
  it('gives back what was posted, whole', async () => {
    const ledger = make()
    ledger.post(attempt())
    ledger.close(call())
    await ledger.flush()
    expect([...ledger.attempts()]).toEqual([attempt()])
    expect([...ledger.calls()]).toEqual([call()])
  })

  it('takes the same posting once, and tells of one with other amounts', async () => {
    const ledger = make()
    for (let time = 0; time < 3; time++) {
      ledger.post(attempt())
      ledger.close(call())
      await ledger.flush()
    }
    for (const other of [
      { costNanoUsd: 61n },
      { cachedInputTokens: 5 },
      { reasoningTokens: 2 },
      { costNanoUsd: undefined },
    ]) {
      ledger.post(attempt(other))
      await expect(ledger.flush()).rejects.toThrow('already, with other amounts')
    }
    await ledger.flush()
    expect([...ledger.attempts()]).toEqual([attempt()])
    expect([...ledger.calls()]).toHaveLength(1)
  })

  it('gives the newest of the calls, and those that went to another model', () => {
    const ledger = make()
    for (const [index, failovers] of [0, 2, 1, 0].entries())
      ledger.close(call({ callKey: `c${index}`, time: start + index * day, failovers }))
    const keys = (query: CallQuery) => [...ledger.calls(query)].map(({ callKey }) => callKey)
    expect(keys({ newest: 2 })).toEqual(['c2', 'c3'])
    expect(keys({ newest: 1, to: start + day })).toEqual(['c0'])
    expect(keys({ newest: 9 })).toEqual(['c0', 'c1', 'c2', 'c3'])
    expect(keys({ newest: 0 })).toEqual([])
    expect(keys({ minimumFailovers: 1 })).toEqual(['c1', 'c2'])
    expect(keys({ minimumFailovers: 1, newest: 1, from: start })).toEqual(['c2'])
  })

  it('gives the calls that ended lately, whenever they began', () => {
    const ledger = make()
    for (const [callKey, time, durationMs] of [
      ['long', start, 5_000],
      ['over', start + 1_000, 3_999],
      ['late', start + 4_000, 1_500],
    ] as const)
      ledger.close(call({ callKey, time, durationMs }))
    expect([...ledger.calls({ endedFrom: start + 5_000 })].map(({ callKey }) => callKey)).toEqual(['long', 'late'])
  })

  it('keeps what was said of a call with the call: the last that was said', async () => {
    const ledger = make()
    for (const key of ['c1', 'c2', 'c3']) ledger.close(call({ callKey: key, route: key === 'c3' ? 'other' : 'auto' }))
    ledger.rate({ callKey: 'c1', time: start + 5, score: 0.25 })
    ledger.rate({ callKey: 'c3', time: start + 6, score: 1 })
    await ledger.flush()
    ledger.rate({ callKey: 'c1', time: start + 5, score: 0.75 })
    expect([...ledger.ratings()]).toEqual([
      { ...call({ callKey: 'c1' }), score: 0.75, ratedAt: start + 5 },
      { ...call({ callKey: 'c3', route: 'other' }), score: 1, ratedAt: start + 6 },
    ])
    expect([...ledger.ratings({ route: 'auto' })].map(({ callKey }) => callKey)).toEqual(['c1'])
    expect([...ledger.ratings({ callKey: 'c2' })]).toEqual([])
    await ledger.flush()
  })

  it('finds calls by their id, which may come twice', () => {
    const ledger = make()
    ledger.close(call({ callKey: 'c1', callId: 'twice' }))
    ledger.close(call({ callKey: 'c2', callId: 'once' }))
    ledger.close(call({ callKey: 'c3', callId: 'twice' }))
    expect([...ledger.calls({ callId: 'twice' })].map(({ callKey }) => callKey)).toEqual(['c1', 'c3'])
  })

  it('answers queries by each filter, the oldest first', () => {
    const ledger = make()
    for (const one of many) ledger.post(one)
    const found = (query: LedgerQuery) => [...ledger.attempts(query)].map(({ callKey, place }) => `${callKey}/${place}`)
    expect(found({})).toEqual(['c1/0', 'c1/1', 'c2/0', 'c3/0', 'c4/0'])
    expect(found({ from: start + day, to: start + 2 * day })).toEqual(['c2/0'])
    expect(found({ model: 'b' })).toEqual(['c2/0', 'c4/0'])
    expect(found({ user: 'u2' })).toEqual(['c2/0'])
    expect(found({ key: 'k2' })).toEqual(['c3/0'])
    expect(found({ team: 't1' })).toEqual(['c1/0', 'c1/1'])
    expect(found({ route: 'other' })).toEqual(['c3/0'])
    expect(found({ tag: 'y' })).toEqual(['c1/0', 'c1/1', 'c2/0'])
    expect(found({ tag: 'y', user: 'u1', from: start + 1 })).toEqual([])
  })

  it('gives totals by each group and filter that are the sums of its rows', () => {
    const ledger = make()
    for (const one of many) ledger.post(one)
    const groups: readonly LedgerGroup[] = ['model', 'user', 'key', 'team', 'route', 'day', 'tag']
    for (const by of groups) {
      for (const query of [{}, { key: 'k1' }, { tag: 'x' }, { from: start, to: start + day }]) {
        const totals = ledger.totals(by, query)
        const rows = [...ledger.attempts(query)]
        const weights = rows.map(({ identity }) => (by === 'tag' ? Math.max(1, new Set(identity.tags).size) : 1))
        const sum = rows.reduce(
          (total, { costNanoUsd = 0n }, index) => total + costNanoUsd * BigInt(weights[index]!),
          0n,
        )
        expect(totals.reduce((total, { costNanoUsd }) => total + costNanoUsd, 0n)).toBe(sum)
        expect(totals.reduce((total, { attempts }) => total + attempts, 0)).toBe(weights.reduce((a, b) => a + b, 0))
      }
    }
    expect(ledger.totals('model')).toMatchObject([
      { group: 'b', calls: 2, attempts: 2, costNanoUsd: 2n ** 60n + 2n ** 53n + 1n },
      {
        group: 'a',
        calls: 2,
        attempts: 3,
        costNanoUsd: 120n,
        unpricedAttempts: 1,
        estimatedAttempts: 1,
        failedAttempts: 1,
      },
    ])
    expect(ledger.totals('tag').map(({ group, attempts }) => [group, attempts])).toEqual([
      ['', 1],
      ['y', 3],
      ['x', 3],
    ])
    expect(ledger.totals('day').map(({ group }) => group)).toEqual(['2026-01-03', '2026-01-02', '2026-01-01'])
  })

  it('takes whatever stands in a name for data', () => {
    const ledger = make()
    const evil = `'; drop table attempts; -- " \u0000 %_ {"a":1}`
    ledger.post(
      attempt({ identity: { user: evil, key: evil, team: evil, tags: [evil, '["x"]'] }, model: evil, route: evil }),
    )
    ledger.post(attempt({ callKey: 'c9' }))
    for (const query of [
      { user: evil },
      { key: evil },
      { team: evil },
      { model: evil },
      { route: evil },
      { tag: evil },
    ])
      expect([...ledger.attempts(query)]).toHaveLength(1)
    for (const tag of ['%', '["x"]x', '"']) expect([...ledger.attempts({ tag })]).toEqual([])
    expect(
      ledger
        .totals('user')
        .map(({ group }) => group)
        .toSorted(),
    ).toEqual([evil, 'u1'].toSorted())
  })
})

describe('a ledger in SQLite', () => {
  it('is there again when it is opened again', async () => {
    const first = sqlite()
    for (const one of many) first.post(one)
    await first.end()
    const again = sqlite()
    expect([...again.attempts()]).toHaveLength(many.length)
    expect(fs.readdirSync(folder).filter((name) => name.includes('-intents-'))).toHaveLength(1)
  })

  it('can be added to and never changed', async () => {
    const ledger = sqlite()
    ledger.post(attempt())
    ledger.close(call())
    await ledger.flush()
    const other = new DatabaseSync(file)
    for (const table of ['attempts', 'calls']) {
      expect(() => other.exec(`update ${table} set user = 'x'`)).toThrow('append-only')
      expect(() => other.exec(`delete from ${table}`)).toThrow('append-only')
    }
    other.close()
  })

  it('tells of entries when they are written, and not before', async () => {
    const told: string[] = []
    const ledger = sqlite({ onEntries: (keys) => told.push(...keys) })
    ledger.close(call())
    expect(told).toEqual([])
    await ledger.flush()
    expect(told).toEqual(['c1'])
  })

  it('tells of no entry before its log is on disk, nor where it cannot be brought there', async () => {
    const told: string[] = []
    const ledger = sqlite({ onEntries: (keys) => told.push(...keys) })
    const waiting = heldSyncs()
    ledger.close(call())
    const flushed = ledger.flush()
    expect([...ledger.calls()]).toHaveLength(1)
    await vi.waitFor(() => expect(waiting).toHaveLength(1))
    expect(told).toEqual([])
    waiting.pop()!(null)
    await flushed
    expect(told).toEqual(['c1'])

    ledger.close(call({ callKey: 'c2' }))
    const failed = ledger.flush()
    await vi.waitFor(() => expect(waiting).toHaveLength(1))
    waiting.pop()!(new Error('no disk'))
    await expect(failed).rejects.toThrow('no disk')
    expect(told).toEqual(['c1'])
  })

  it('keeps what could not be written, tells of no entry, and tries again', async () => {
    const told: string[] = []
    const errors: unknown[] = []
    const ledger = sqlite({ onEntries: (keys) => told.push(...keys), onError: (error) => errors.push(error) })
    const other = new DatabaseSync(file)
    other.exec('drop trigger calls_no_update; alter table calls rename to gone')
    ledger.close(call())
    await expect(ledger.flush()).rejects.toThrow('calls')
    expect(told).toEqual([])
    expect(errors).toHaveLength(1)
    other.exec('alter table gone rename to calls')
    other.close()
    await clock.advance(1_000)
    await vi.waitFor(() => expect(told).toEqual(['c1']))
    expect([...ledger.calls()]).toHaveLength(1)
  })

  it('leaves out a row that no database would take, tells of it, and writes the others', async () => {
    const errors: Error[] = []
    const ledger = sqlite({ onError: (error) => errors.push(error as Error) })
    const unfit = [{ identity: { user: {} as string } }, { latencyMs: NaN }, { costNanoUsd: 2n ** 64n }]
    for (const [place, over] of unfit.entries()) ledger.post(attempt({ callKey: `unfit ${place}`, ...over }))
    ledger.close(call({ callKey: 'unfit 3', durationMs: NaN }))
    ledger.post(attempt())
    await expect(ledger.flush()).rejects.toThrow('cannot be written into the ledger')
    expect(errors.map(({ message }) => message)).toEqual(
      [0, 1, 2, 3].map((place) => `A row of the call unfit ${place} cannot be written into the ledger`),
    )
    await ledger.flush()
    expect([...ledger.attempts()]).toEqual([attempt()])
    expect([...ledger.calls()]).toEqual([])
  })

  it('writes a call whose decision is no JSON, and says so in its place', async () => {
    const ledger = sqlite()
    const circular: { self?: object } = {}
    circular.self = circular
    ledger.close(call({ decision: circular }))
    ledger.close(call({ callKey: 'c2', decision: { propensity: 1n } }))
    await ledger.flush()
    expect([...ledger.calls()].map(({ decision }) => decision)).toEqual([
      { unwritable: expect.stringContaining('circular') },
      { unwritable: expect.stringContaining('BigInt') },
    ])
  })

  it('writes what is posted while it ends, and takes nothing after', async () => {
    const ledger = sqlite({ onEntries: () => ledger.post(attempt({ callKey: 'late' })) })
    ledger.close(call())
    await ledger.end()
    ledger.post(attempt({ callKey: 'too late' }))
    expect(() => ledger.begin(intent)).toThrow('closed')
    await clock.advance(60_000)
    expect(clock.pendingTimers()).toBe(0)
    expect([...sqlite().attempts()].map(({ callKey }) => callKey)).toEqual(['late'])
  })

  it('has ended only when what was written meanwhile is on disk', async () => {
    const told: string[] = []
    const ledger = sqlite({ onEntries: (keys) => told.push(...keys) })
    const waiting = heldSyncs()
    ledger.close(call())
    const ended = ledger.end()
    await vi.waitFor(() => expect(waiting).toHaveLength(1))
    ledger.close(call({ callKey: 'c2' }))
    expect([...ledger.calls()]).toHaveLength(2)
    waiting.pop()!(null)
    await vi.waitFor(() => expect(waiting).toHaveLength(1))
    await clock.settle()
    expect([...ledger.calls()]).toHaveLength(2)
    waiting.pop()!(null)
    await ended
    expect(told).toEqual(['c1', 'c2'])
  })

  it('opens no file that is not a ledger, or is newer', () => {
    const foreign = new DatabaseSync(file)
    foreign.exec('create table theirs (a)')
    foreign.close()
    const before = fs.readFileSync(file)
    expect(() => sqlite()).toThrow('no ledger of Signalbox')
    expect(fs.readFileSync(file).equals(before)).toBe(true)
  })

  it('reads all of a large period, page by page, while more is written', async () => {
    const ledger = sqlite()
    const rows = Array.from({ length: 2_500 }, (_, index) =>
      attempt({ callKey: `c${index % 5}`, place: index, time: start + Math.floor(index / 7) }),
    )
    for (const row of rows) ledger.post(row)
    const read = ledger.attempts({ tag: 'x', to: start + day })
    const first = read.next().value!
    ledger.post(attempt({ callKey: 'later', time: start + 2 * day }))
    await ledger.flush()
    const found = [first, ...read]
    expect(found).toHaveLength(2_500)
    expect(new Set(found.map(({ place }) => place)).size).toBe(2_500)
    expect(found.map(({ time }) => time)).toEqual(found.map(({ time }) => time).toSorted((a, b) => a - b))
  })

  it('opens a file of the first version, with what is in it', async () => {
    const old = new DatabaseSync(file)
    old.exec(firstVersion)
    old.exec(`insert into attempts values ('old', 0, 'id', ${start}, null, 'u1', null, '[]', 'auto', 'a', 'openai', 'ok',
      200, 1.5, null, 10, 0, 0, 5, 0, 60, 0, 0, null, null)`)
    old.exec(
      `insert into calls values ('old', 'id', 'mother', ${start}, 'k1', 'u1', 't1', '["x"]', 'auto', 'a', 'ok', 2.5, 1, '{"seed":7}')`,
    )
    old.close()
    const ledger = sqlite()
    ledger.post(attempt({ usageFaults: ['audio'] }))
    ledger.close(call({ callKey: 'old', outcome: 'refused' }))
    await ledger.end()
    expect([...sqlite().calls()]).toEqual([
      {
        callKey: 'old',
        callId: 'id',
        parent: 'mother',
        time: start,
        identity: { key: 'k1', user: 'u1', team: 't1', tags: ['x'] },
        route: 'auto',
        model: 'a',
        outcome: 'ok',
        durationMs: 2.5,
        failovers: 1,
        decision: { seed: 7 },
      },
    ])
    const again = [...sqlite().attempts()]
    expect(again).toMatchObject([
      { callKey: 'c1', usageFaults: ['audio'] },
      { callKey: 'old', costNanoUsd: 60n, usageFaults: undefined, identity: { user: 'u1' } },
    ])
    expect(sqlite().report({ from: 0 }).total).toMatchObject({ attempts: 2 })
    const other = new DatabaseSync(file)
    expect(other.prepare('pragma user_version').get()).not.toEqual({ user_version: 1 })
    expect(() => other.exec('delete from attempts')).toThrow('append-only')
    expect(() => other.exec('delete from calls')).toThrow('append-only')
    expect(() => other.exec('update calls set time = 0')).toThrow('append-only')
    other.exec("insert into ratings (call_key, time, score) values ('c', 1, 1)")
    expect(() => other.exec('update ratings set score = 0')).toThrow('append-only')
    other.close()
  })

  it('takes little more room for a call than what it says', async () => {
    const decision = { candidates: 'x'.repeat(1_500) }
    const ledger = sqlite()
    for (let place = 0; place < 1_000; place++) ledger.close(call({ callKey: `c${place}`, decision }))
    await ledger.end()
    expect(fs.statSync(file).size).toBeLessThan(1_000 * 2_500)
  })

  it('leaves a file as it was whose migration fails', () => {
    const old = new DatabaseSync(file)
    old.exec(firstVersion)
    old.exec('alter table attempts add column usage_faults text')
    old.close()
    expect(() => sqlite()).toThrow('usage_faults')
    const other = new DatabaseSync(file)
    expect(other.prepare('pragma user_version').get()).toEqual({ user_version: 1 })
    other.close()
  })

  it('opens no file of a newer version', async () => {
    await createSqliteLedger({ file, clock }).end()
    const newer = new DatabaseSync(file)
    newer.exec('pragma user_version = 99')
    newer.close()
    expect(() => sqlite()).toThrow('newer Signalbox (version 99')
  })
})

/** What the first version wrote. */
const firstVersion = `
  create table calls (
    call_key text primary key, call_id text not null, parent text, time integer not null,
    key text, user text, team text, tags text not null,
    route text not null, model text, outcome text not null, duration_ms real not null,
    failovers integer not null, decision text not null
  ) strict, without rowid;
  create index calls_by_time on calls (time);
  create table attempts (
    call_key text not null, place integer not null, call_id text not null, time integer not null,
    key text, user text, team text, tags text not null,
    route text not null, model text not null, provider text not null,
    outcome text not null, status integer, latency_ms real not null, first_token_ms real,
    input integer not null, cached_input integer not null, cache_write integer not null,
    output integer not null, reasoning integer not null,
    cost_nano_usd integer, estimated integer not null, overrun integer not null,
    prices text, price_source text,
    primary key (call_key, place)
  ) strict, without rowid;
  create index attempts_by_time on attempts (time);
  create trigger attempts_no_delete before delete on attempts begin select raise(abort, 'the ledger is append-only'); end;
  pragma application_id = 1396853831; pragma user_version = 1;`
