import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { createFakeClock } from '@signalbox/testkit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createSqliteLedger } from './sqlite-ledger.ts'
import type { Ledger, LedgerAttempt } from './types.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'checkpointer-'))
  file = path.join(folder, 'ledger.db')
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

const open = () => createSqliteLedger({ file, clock: createFakeClock() })

const attempt = (callKey: string): LedgerAttempt => ({
  callKey,
  place: 0,
  callId: callKey,
  time: 0,
  identity: {},
  route: 'r',
  model: 'm',
  provider: 'p',
  outcome: 'ok',
  status: 200,
  latencyMs: 1,
  firstTokenMs: 1,
  inputTokens: 1,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 1,
  reasoningTokens: 0,
  costNanoUsd: 1n,
  estimated: false,
  overrun: false,
  prices: undefined,
  priceSource: undefined,
  usageFaults: undefined,
})

let posted = 0
/** Too little for SQLite to move its log by itself. */
function postMany(ledger: Ledger): void {
  for (let row = 0; row < 4_000; row++) ledger.post(attempt(`c${posted++}`))
}
const rowsIn = (ledger: Ledger) => [...ledger.attempts()].length

it('moves the log of a busy ledger into its file, and not in the thread that writes it', async () => {
  const ledger = open()
  postMany(ledger)
  const flushed = ledger.flush()
  expect(fs.statSync(file).size).toBeLessThan(50_000)
  await flushed
  await vi.waitFor(() => expect(fs.statSync(file).size).toBeGreaterThan(200_000), 10_000)
  postMany(ledger)
  await ledger.end()
  expect(fs.readdirSync(folder)).toEqual(['ledger.db'])
  const again = open()
  expect(rowsIn(again)).toBe(8_000)
  await again.end()
})

it('makes no new file where the ledger has been moved away', async () => {
  const ledger = open()
  postMany(ledger)
  const flushed = ledger.flush()
  for (const ending of ['', '-wal', '-shm']) fs.renameSync(file + ending, path.join(folder, `moved.db${ending}`))
  await flushed
  await ledger.end()
  expect(fs.readdirSync(folder).filter((name) => name.startsWith('ledger.db'))).toEqual([])
})

it('lets a program end that has nothing else to do, and loses none of its rows', async () => {
  const program = `
    import { systemClock } from '${import.meta.resolve('../clock.ts')}'
    import { createSqliteLedger } from '${import.meta.resolve('./sqlite-ledger.ts')}'
    const ledger = createSqliteLedger({ file: process.argv[1], clock: systemClock })
    for (const round of [1, 2]) {
      for (let row = 0; row < 4_000; row++) {
        const callKey = round + '/' + row
        ledger.close({ callKey, callId: '', time: 0, identity: {}, route: '', outcome: '', durationMs: 0, failovers: 0, decision: {} })
      }
      if (round === 1) await ledger.flush()
    }`
  const args = ['--conditions=@signalbox/source', '--input-type=module', '--eval', program, file]
  await promisify(execFile)(process.execPath, args, { timeout: 20_000 })
  const ledger = open()
  expect([...ledger.calls()]).toHaveLength(8_000)
  await ledger.end()
})
