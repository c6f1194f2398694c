import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createFakeClock } from '@signalbox/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { storeContract } from '../../../../testkit/src/store-contract.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { createSqliteStore, type SqliteStore, type SqliteStoreOptions } from './index.ts'
import type { Entry } from '../store.ts'

const money = (amount: number, limit = 1_000_000): Entry => ({ key: 'money', limit, amount })
const tokens = (amount: number): Entry => ({ key: 'tokens', limit: 1_000, amount, windowMs: 60_000 })
const running: Entry = { key: 'running', limit: 100, amount: 1, onExpiry: 'release' }
const leaseMs = 500_000
const cleanUps: (() => void)[] = []

afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) cleanUp()
})

function setUp() {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-store-'))
  cleanUps.push(() => rmSync(folder, { recursive: true }))
  const clock = createFakeClock()
  const file = join(folder, 'store.db')

  function open(options: Partial<SqliteStoreOptions> = {}): SqliteStore {
    const store = createSqliteStore({ file, clock, ...options })
    cleanUps.push(() => store.close())
    return store
  }

  /** A process that does nothing of itself, as one that is stopped or dead. */
  const openStopped = () => open({ clock: { ...clock, setTimeout: () => ({}) } satisfies Clock })
  return { folder, file, clock, open, openStopped }
}

/** Spends until some is kept free, and says how much is posted. */
function spendFromSlice(store: SqliteStore, entry: Entry): number {
  for (let call = 0; call < 20; call++) {
    void store.reserve({ id: `spent-${call}`, entries: [entry], leaseMs })
    store.settle(`spent-${call}`, [entry.amount])
  }
  return 20 * Number(entry.amount)
}

const readOne = (store: SqliteStore, { key }: Entry) => store.read([key])[0]!

storeContract('sqlite', () => {
  const { open, clock } = setUp()
  return { store: open(), advance: (durationMs) => clock.advanceSync(durationMs) }
})

describe('createSqliteStore', () => {
  it('answers at once where nobody else keeps anything free', () => {
    const { open } = setUp()
    const store = open()
    expect(store.reserve({ id: 'a', entries: [money(1)], leaseMs })).toEqual({ granted: true })
    expect(store.scope).toBe('host')
  })

  it('shares what counts with other processes, and what they lease counts as held', () => {
    const { open } = setUp()
    const [one, other] = [open(), open()]
    void one.reserve({ id: 'a', entries: [money(600_000)], leaseMs })
    expect(readOne(other, money(1))).toMatchObject({ posted: 0, held: 600_000, remaining: 400_000 })
    expect(other.reserve({ id: 'b', entries: [money(500_000)], leaseMs })).toMatchObject({ remaining: 400_000 })
    one.settle('a', [100_000])
    expect(other.reserve({ id: 'b', entries: [money(900_000)], leaseMs })).toEqual({ granted: true })
  })

  it('shows at once what was settled above its hold', () => {
    const { open } = setUp()
    const [one, other] = [open(), open()]
    void one.reserve({ id: 'a', entries: [money(10)], leaseMs })
    one.settle('a', [2_000_000])
    expect(readOne(other, money(1))).toMatchObject({ posted: 2_000_000, held: 0, remaining: -1_000_000 })
  })

  it('asks others for what they keep free, and gets it within a few milliseconds', async () => {
    const { open, clock } = setUp()
    const [one, other] = [open(), open()]
    const posted = spendFromSlice(one, money(100))
    const { held } = readOne(other, money(1))
    expect(held).toBeGreaterThan(0)
    const answer = other.reserve({ id: 'all', entries: [money(1_000_000 - posted)], leaseMs })
    expect(answer).toBeInstanceOf(Promise)
    await clock.advance(10)
    expect(await answer).toEqual({ granted: true })
    expect(one.reserve({ id: 'none', entries: [money(1)], leaseMs })).toMatchObject({ granted: false, remaining: 0 })
  })

  it('gives back by itself what was not used for a second', () => {
    const { open, clock } = setUp()
    const [one, other] = [open(), open()]
    const posted = spendFromSlice(one, money(100))
    clock.advanceSync(1_200)
    expect(readOne(other, money(1))).toMatchObject({ posted, held: 0 })
    expect(other.reserve({ id: 'all', entries: [money(1_000_000 - posted)], leaseMs })).toEqual({ granted: true })
  })

  it('waits once for a process that does not answer, and counts what it leases as held', async () => {
    const { open, openStopped, clock } = setUp()
    const [stopped, other] = [openStopped(), open()]
    const posted = spendFromSlice(stopped, money(100))
    const all = { entries: [money(1_000_000 - posted)], leaseMs }
    const answer = other.reserve({ id: 'all', ...all })
    await clock.advance(260)
    expect(await answer).toMatchObject({ granted: false })
    expect(other.reserve({ id: 'again', ...all })).toMatchObject({ granted: false })
  })

  it('posts what a dead process leased once its lease ended, and gives concurrency back', () => {
    const { open, openStopped, clock } = setUp()
    const [dead, other] = [openStopped(), open()]
    void dead.reserve({ id: 'a', entries: [money(100), tokens(300), running], leaseMs })
    clock.advanceSync(9_999)
    expect(readOne(other, money(1))).toMatchObject({ posted: 0, held: 100 })
    expect(readOne(other, running)).toMatchObject({ held: 1 })
    clock.advanceSync(1)
    expect(readOne(other, money(1))).toMatchObject({ posted: 100, held: 0 })
    expect(readOne(other, running)).toMatchObject({ posted: 0, held: 0 })
    clock.advanceSync(59_999)
    expect(readOne(other, tokens(1))).toMatchObject({ posted: 300, held: 0 })
    clock.advanceSync(1)
    expect(readOne(other, tokens(1))).toMatchObject({ posted: 0 })
  })

  it('never counts less than a dead process spent, whatever it had told', () => {
    const { open, openStopped, clock } = setUp()
    const [dead, other] = [openStopped(), open()]
    const posted = spendFromSlice(dead, money(100))
    const { posted: told, held } = readOne(other, money(1))
    expect(Number(told) + Number(held)).toBeGreaterThanOrEqual(posted)
    clock.advanceSync(10_000)
    expect(readOne(other, money(1))).toMatchObject({ posted: Number(told) + Number(held), held: 0 })
  })

  it('takes back what was posted for a process that was only stopped', () => {
    const { open, openStopped, clock } = setUp()
    const [stopped, other] = [openStopped(), open()]
    void stopped.reserve({ id: 'a', entries: [money(100), tokens(300), running], leaseMs })
    clock.advanceSync(30_000)
    expect(readOne(other, money(1))).toMatchObject({ posted: 100, held: 0 })
    expect(stopped.reserve({ id: 'b', entries: [money(1), tokens(1), running], leaseMs })).toEqual({ granted: true })
    expect(readOne(other, money(1))).toMatchObject({ posted: 0, held: 101 })
    expect(readOne(other, tokens(1))).toMatchObject({ posted: 0, held: 301 })
    expect(readOne(other, running)).toMatchObject({ held: 2 })
    expect(stopped.settle('a', [70, 200, 0])).toBe('settled')
    expect(readOne(stopped, money(1))).toMatchObject({ posted: 70, held: 1 })
  })

  it('knows nothing of its holds when it comes back too late', () => {
    const { open, openStopped, clock } = setUp()
    const [stopped, other] = [openStopped(), open()]
    void stopped.reserve({ id: 'a', entries: [money(100)], leaseMs: leaseMs * 20 })
    clock.advanceSync(4_000_000)
    void other.reserve({ id: 'other', entries: [money(1)], leaseMs })
    expect(stopped.reserve({ id: 'b', entries: [money(1)], leaseMs })).toEqual({ granted: true })
    expect(stopped.settle('a', [1])).toBe('unknown')
    expect(readOne(other, money(1))).toMatchObject({ posted: 100, held: 2 })
  })

  it('posts what is held when it closes, and gives the rest back', () => {
    const { open } = setUp()
    const [closing, other] = [open(), open()]
    const posted = spendFromSlice(closing, money(100))
    void closing.reserve({ id: 'held', entries: [money(70), running], leaseMs })
    closing.close()
    cleanUps.splice(1, 1)
    expect(readOne(other, money(1))).toMatchObject({ posted: posted + 70, held: 0 })
    expect(readOne(other, running)).toMatchObject({ posted: 0, held: 0 })
  })

  it('settles while the file cannot be written, and writes it down afterwards', () => {
    const { open, clock, file } = setUp()
    const [store, other] = [open({ busyTimeoutMs: 0 }), open()]
    void store.reserve({ id: 'a', entries: [money(900_000)], leaseMs })
    const blocking = new DatabaseSync(file)
    blocking.exec('BEGIN IMMEDIATE')
    expect(store.settle('a', [300_000])).toBe('settled')
    expect(() => store.reserve({ id: 'b', entries: [tokens(1)], leaseMs })).toThrow('locked')
    blocking.exec('ROLLBACK')
    blocking.close()
    clock.advanceSync(200)
    expect(readOne(other, money(1))).toMatchObject({ posted: 300_000, held: 0 })
    expect(store.reserve({ id: 'b', entries: [tokens(1)], leaseMs })).toEqual({ granted: true })
  })

  it('is read without being written, with what this process has not written down yet', () => {
    const { open, clock, file } = setUp()
    const store = open()
    spendFromSlice(store, tokens(5))
    clock.advanceSync(30)
    void store.reserve({ id: 'last', entries: [tokens(5)], leaseMs })
    store.settle('last', [5])
    const watching = new DatabaseSync(file)
    cleanUps.push(() => watching.close())
    const version = () => watching.prepare('PRAGMA data_version').get()
    const before = version()
    clock.advanceSync(1)
    expect(readOne(store, tokens(1))).toEqual({ posted: 105, held: 0, remaining: 895, resetMs: 59_999 })
    expect(version()).toEqual(before)
  })

  it('waits once for one who keeps the file for long, and not at every try', () => {
    const { open, clock, file } = setUp()
    const store = open({ busyTimeoutMs: 1_000 })
    void store.reserve({ id: 'a', entries: [money(900_000)], leaseMs })
    const waiting = vi.spyOn(Atomics, 'wait').mockReturnValue('timed-out')
    cleanUps.push(() => waiting.mockRestore())
    const blocking = new DatabaseSync(file)
    blocking.exec('BEGIN IMMEDIATE')
    expect(() => store.reserve({ id: 'b', entries: [tokens(1)], leaseMs })).toThrow('locked')
    expect(waiting).toHaveBeenCalled()
    waiting.mockClear()
    expect(readOne(store, money(1))).toMatchObject({ held: 900_000 })
    expect(() => store.reserve({ id: 'b', entries: [tokens(1)], leaseMs })).toThrow('locked')
    expect(store.settle('a', [300_000])).toBe('settled')
    clock.advanceSync(10_000)
    expect(waiting).not.toHaveBeenCalled()
    blocking.close()
    clock.advanceSync(200)
    expect(store.reserve({ id: 'b', entries: [tokens(1)], leaseMs })).toEqual({ granted: true })
    expect(readOne(store, money(1))).toMatchObject({ posted: 300_000, held: 0 })
  })

  it('leases nothing of a file that was taken away, of which others would not know', () => {
    const { open, file } = setUp()
    const store = open()
    void store.reserve({ id: 'a', entries: [money(1)], leaseMs })
    renameSync(file, `${file}-kept`)
    writeFileSync(file, '')
    expect(() => store.reserve({ id: 'b', entries: [tokens(1)], leaseMs })).toThrow('moved, removed or replaced')
    renameSync(`${file}-kept`, file)
    expect(store.reserve({ id: 'b', entries: [tokens(1)], leaseMs })).toEqual({ granted: true })
  })

  it('keeps a posted total over a restart, and forgets it only when it may', () => {
    const { open, clock } = setUp()
    const entries = [
      { key: 'day', limit: 100, amount: 60, forgetAfterMs: 86_400_000 },
      { key: 'total', limit: 100, amount: 60 },
    ]
    const store = open()
    void store.reserve({ id: 'a', entries, leaseMs })
    store.settle('a', [60, 60])
    const restarted = open()
    clock.advanceSync(86_399_999)
    restarted.sweep()
    expect(restarted.read(['day', 'total'])).toMatchObject([{ posted: 60 }, { posted: 60 }])
    clock.advanceSync(86_400_000 / 16 + 1)
    restarted.sweep()
    expect(restarted.read(['day', 'total'])).toMatchObject([{ posted: 0, remaining: undefined }, { posted: 60 }])
  })

  it('does not notice that the wall clock jumps', () => {
    const { open, clock } = setUp()
    const store = open()
    void store.reserve({ id: 'a', entries: [tokens(1_000)], leaseMs })
    for (const jumpMs of [3_600_000, -7_200_000]) {
      clock.jumpWallTime(jumpMs)
      for (const each of [store, open()]) {
        expect(each.reserve({ id: 'b', entries: [tokens(1)], leaseMs })).toMatchObject({ granted: false })
        expect(readOne(each, tokens(1))).toMatchObject({ held: 1_000, resetMs: 60_000 })
      }
    }
  })

  it('goes by the wall clock over a restart of the host, and not back', () => {
    const { open, clock, file } = setUp()
    const store = createSqliteStore({ file, clock: { ...clock, now: () => clock.now() + 5_000_000 } })
    void store.reserve({ id: 'a', entries: [tokens(1_000)], leaseMs })
    store.close()
    clock.jumpWallTime(-3_600_000)
    expect(readOne(open(), tokens(1))).toMatchObject({ posted: 1_000, resetMs: 60_000 })
    clock.jumpWallTime(20_000)
    const restarted = open({ clock: { ...clock, now: () => clock.now() - 1_000 } })
    expect(readOne(restarted, tokens(1))).toMatchObject({ posted: 1_000 })
    expect(readOne(restarted, tokens(1)).resetMs).toBe(40_000)
  })

  it.runIf(process.platform === 'linux')('goes by the wall clock too in a file that comes from another host', () => {
    const { file } = setUp()
    const store = createSqliteStore({ file, clock: systemClock })
    const month = { key: 'month', limit: 100, amount: 60, forgetAfterMs: 2_678_400_000 }
    void store.reserve({ id: 'a', entries: [month, tokens(1_000)], leaseMs })
    store.settle('a', [60, 1_000])
    store.close()
    execute(
      file,
      "UPDATE host SET boot = 'another', monotonic_time = monotonic_time - 5e9, wall_time = wall_time - 3e4",
    )
    const moved = createSqliteStore({ file, clock: systemClock })
    cleanUps.push(() => moved.close())
    moved.sweep()
    expect(moved.read(['month'])).toMatchObject([{ posted: 60 }])
    const { posted, resetMs } = readOne(moved, tokens(1))
    expect(posted).toBe(1_000)
    expect(resetMs).toBeLessThanOrEqual(30_001)
  })

  it.each([
    [
      'text',
      'file is not a database',
      (file: string) => writeFileSync(file, 'not a database, and longer than a header'.repeat(9)),
    ],
    ["another program's database", "another program's", (file: string) => execute(file, 'CREATE TABLE mine (a)')],
    ['a newer store', 'newer Signalbox', (file: string) => execute(file, 'PRAGMA user_version = 99')],
  ])('refuses %s as its file', (_, message, spoil) => {
    const { file } = setUp()
    if (message === 'newer Signalbox') createSqliteStore({ file, clock: createFakeClock() }).close()
    spoil(file)
    expect(() => createSqliteStore({ file, clock: createFakeClock() })).toThrow(message)
  })

  it.each([
    ['a file in no folder', { file: '/nowhere/store.db' }, 'cannot be opened'],
    ['memory', { file: ':memory:' }, 'cannot be shared'],
    ['a lease that is too short', { processLeaseMs: 10 }, 'processLeaseMs to be 1,000 or more, got 10'],
    ['no time to ask', { askTimeoutMs: Number.NaN }, 'askTimeoutMs to be 0 or more, got NaN'],
    ['no time to wait', { busyTimeoutMs: -1 }, 'busyTimeoutMs to be 0 or more, got -1'],
    ['no time to correct', { correctableMs: -1 }, 'correctableMs to be 0 or more, got -1'],
  ])('refuses %s', (_, options, message) => {
    const { file, clock } = setUp()
    expect(() => createSqliteStore({ file, clock, ...options })).toThrow(message)
  })
})

function execute(file: string, sql: string) {
  const database = new DatabaseSync(file)
  database.exec(sql)
  database.close()
}
