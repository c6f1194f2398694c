import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createFakeClock } from '@signalbox/testkit'
import { expect, it, onTestFinished, vi } from 'vitest'
import { openLedger } from './open-reader.ts'
import { createSqliteLedger } from './sqlite-ledger.ts'

/** A ledger with one call, of which a test's user may read the file and no more. */
async function readable() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'reader ü?#-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'ledger.db')
  const clock = createFakeClock()
  const make = () => createSqliteLedger({ file, clock })
  const ledger = make()
  const call = { callKey: 'c', callId: 'id', time: 1, identity: {}, route: 'auto', outcome: 'ok', durationMs: 5 }
  ledger.close({ ...call, failovers: 0, decision: {} })
  await ledger.end()
  const refuse = () => {
    throw new Error('EACCES')
  }
  const spy = vi.spyOn(fs, 'accessSync').mockImplementation(refuse)
  onTestFinished(() => spy.mockRestore())
  return { folder, file, make }
}

const read = (file: string) => {
  const ledger = openLedger({ models: {}, ledger: file })
  const found = [...ledger.calls()].map(({ callKey }) => callKey)
  return { found, end: () => ledger.end() }
}

it('is read by a user who may not write it, and nothing is made beside it', async () => {
  const { folder, file } = await readable()
  const { found, end } = read(file)
  expect(found).toEqual(['c'])
  expect(fs.readdirSync(folder)).toEqual(['ledger.db'])
  end()
})

it('is read so beside a process that writes it, with what that has just written', async () => {
  const { file, make } = await readable()
  const writer = make()
  const call = { callKey: 'new', callId: 'id', time: 2, identity: {}, route: 'auto', outcome: 'ok', durationMs: 5 }
  writer.close({ ...call, failovers: 0, decision: {} })
  await writer.flush()
  const { found, end } = read(file)
  expect(found.toSorted()).toEqual(['c', 'new'])
  end()
  await writer.end()
})

it('says that its file is no longer what it reads', async () => {
  const { file } = await readable()
  const ledger = openLedger({ models: {}, ledger: file })
  onTestFinished(() => ledger.end())
  fs.renameSync(file, `${file}.old`)
  const gone = expect.objectContaining({
    code: 'ledger_unavailable',
    message: `${file} was moved, removed or replaced while it was open: put it back, or start anew`,
  })
  expect(() => [...ledger.calls()]).toThrow(gone)
  expect(() => ledger.report()).toThrow(gone)
  fs.renameSync(`${file}.old`, file)
  expect([...ledger.calls()]).toHaveLength(1)
})

it('is refused so where it would have to be written first, or is none', async () => {
  const { folder, file } = await readable()
  const old = new DatabaseSync(file)
  old.exec('pragma user_version = 2')
  old.close()
  expect(() => read(file)).toThrow(`the ledger cannot be read from ${file}: it was written by an older Signalbox`)
  expect(() => read(folder)).toThrow(`the ledger cannot be read from ${folder}: `)
})
