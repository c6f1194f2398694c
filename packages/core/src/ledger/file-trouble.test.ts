import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createFakeClock } from '@signalbox/testkit'
import { afterAll, afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { openLedger } from './open-reader.ts'
import { createSqliteLedger } from './sqlite-ledger.ts'
import type { LedgerCall } from './types.ts'

let folder: string
let file: string
const cleanUps: (() => unknown)[] = []

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ledger-'))
  file = path.join(folder, 'ledger.db')
})

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp()
  fs.rmSync(folder, { recursive: true, force: true })
})

const clock = createFakeClock()

function open(at: string = file) {
  const ledger = createSqliteLedger({ file: at, clock })
  cleanUps.push(() => ledger.end().catch(() => undefined))
  return ledger
}

const call = (callKey: string): LedgerCall => ({
  callKey,
  callId: 'id',
  time: 1,
  identity: {},
  route: 'auto',
  outcome: 'ok',
  durationMs: 5,
  failovers: 0,
  decision: {},
})

describe('a ledger that cannot be opened', () => {
  it.each([
    {
      of: 'its log',
      spoil: () => {
        const denied = new Error('EACCES: permission denied')
        const opening = vi.spyOn(fs, 'openSync').mockImplementationOnce(() => {
          throw denied
        })
        onTestFinished(() => opening.mockRestore())
        return denied.message
      },
    },
    {
      of: 'what a process left behind',
      spoil: () => {
        fs.mkdirSync(`${file}-intents-dead-1`)
        return 'EISDIR'
      },
    },
    { of: 'another process', spoil: () => (lose(), keepWriting(), 'database is locked') },
  ])('is a fault of the configuration that names it, for $of', async ({ spoil }) => {
    await open().end()
    const why = spoil()
    const message = `the ledger cannot be kept in ${file}: ${why}`
    expect(() => open()).toThrow(
      expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining(message) }),
    )
  })
})

/** What a process leaves behind that dies with an attempt under way. */
const lose = () =>
  fs.writeFileSync(
    `${file}-intents-dead-1`,
    JSON.stringify({ ...call('lost'), place: 0, model: 'a', provider: 'p', inputTokens: 1, outputTokens: 1 }),
  )

/** Another connection that is in the middle of writing; gives what ends it. */
function keepWriting(): () => void {
  const other = new DatabaseSync(file)
  other.exec('begin immediate')
  const stop = () => other.isOpen && other.close()
  cleanUps.push(stop)
  return stop
}

const waiting = vi.spyOn(Atomics, 'wait')
beforeEach(() => void waiting.mockReset().mockReturnValue('timed-out'))
afterAll(() => waiting.mockRestore())

describe('a ledger whose file another process keeps', () => {
  it('waits for it once and not at every try, and writes what it has when it is free', async () => {
    const ledger = open()
    const stop = keepWriting()
    ledger.close(call('a'))
    await expect(ledger.flush()).rejects.toThrow('locked')
    expect(waiting).toHaveBeenCalled()
    waiting.mockClear()
    ledger.close(call('b'))
    await clock.advance(10_000)
    await expect(ledger.flush()).rejects.toThrow('locked')
    expect(waiting).not.toHaveBeenCalled()
    stop()
    await clock.advance(1_000)
    expect([...ledger.calls()].map(({ callKey }) => callKey)).toEqual(['a', 'b'])
  })

  it('tells everybody who flushes at that time that nothing is safe', async () => {
    const ledger = open()
    const stop = keepWriting()
    ledger.close(call('a'))
    const flushed = await Promise.allSettled([ledger.flush(), ledger.flush(), ledger.flush()])
    expect(flushed.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    stop()
    await ledger.flush()
    expect([...ledger.calls()]).toHaveLength(1)
  })
})

describe('a ledger that failed once', () => {
  it('writes to its end what comes while it ends', async () => {
    const ledger = open()
    const stop = keepWriting()
    ledger.close(call('a'))
    await clock.advance(50)
    stop()
    await clock.advance(1_000)
    const ended = ledger.end()
    ledger.close(call('b'))
    await ended
    expect([...open().calls()].map(({ callKey }) => callKey)).toEqual(['a', 'b'])
  })
})

describe('a ledger whose file is taken away', () => {
  it.each([
    ['removed', () => undefined],
    ['replaced', () => fs.copyFileSync(`${file}-kept`, file)],
  ])('says so and keeps its rows until that is back (%s)', async (_, replace) => {
    const ledger = open()
    fs.renameSync(file, `${file}-kept`)
    replace()
    ledger.close(call('a'))
    await expect(ledger.flush()).rejects.toThrow('ledger.db was moved, removed or replaced')
    fs.renameSync(`${file}-kept`, file)
    await ledger.flush()
    expect([...ledger.calls()]).toHaveLength(1)
  })
})

describe('a ledger behind a link', () => {
  beforeEach(() => {
    fs.mkdirSync(path.join(folder, 'real'))
    fs.symlinkSync(path.join(folder, 'real', 'ledger.db'), file)
  })

  it('is synced where it is written', async () => {
    const sync = vi.spyOn(fs, 'fdatasync')
    onTestFinished(() => sync.mockRestore())
    const ledger = open()
    ledger.close(call('a'))
    await ledger.flush()
    const [descriptor] = sync.mock.calls[0]!
    expect(fs.fstatSync(descriptor).size).toBeGreaterThan(0)
    expect(fs.fstatSync(descriptor).ino).toBe(fs.statSync(path.join(folder, 'real', 'ledger.db-wal')).ino)
    expect(fs.readdirSync(folder).toSorted()).toEqual(['ledger.db', 'real'])
  })

  it('is read with what was written just now, also by whoever may not write it', async () => {
    const ledger = open()
    ledger.close(call('a'))
    await ledger.flush()
    const denied = vi.spyOn(fs, 'accessSync').mockImplementation(() => {
      throw new Error('EACCES')
    })
    onTestFinished(() => denied.mockRestore())
    const reader = openLedger({ models: {}, ledger: file })
    cleanUps.push(() => reader.end())
    expect([...reader.calls()]).toHaveLength(1)
  })

  it('is given what a process lost that knew it by its own name', async () => {
    const lost = open()
    const prices = { inputTokens: 1, outputTokens: 1, boundNanoUsd: 7 }
    const { callKey, callId, time, identity, route } = call('lost')
    lost.begin({ callKey, callId, time, identity, route, place: 0, model: 'a', provider: 'openai', ...prices })
    await lost.end()
    const ledger = open(path.join(folder, 'real', 'ledger.db'))
    expect([...ledger.attempts()]).toMatchObject([{ callKey: 'lost', outcome: 'lost', costNanoUsd: 7n }])
  })
})
