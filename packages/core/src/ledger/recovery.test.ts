import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { createFakeClock } from '@signalbox/testkit'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { abandonedIntents, openJournal } from './journal.ts'
import { createSqliteLedger } from './sqlite-ledger.ts'
import type { LedgerIntent } from './types.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'recovery-'))
  file = path.join(folder, 'ledger.db')
})

/** What lies beside the database and is not its own. */
const leftBeside = () => fs.readdirSync(folder).filter((name) => /-(?:intents|alive)-/.test(name))

afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

/** A process that answers one call, waits until it is safe in the ledger, begins another and says so. */
const busy = `
  import { createServer } from 'node:http'
  import { createRouter } from '@signalbox/core'
  let requests = 0
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (++requests > 1) return console.log('in flight')
      const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
      const choices = [{ index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' }]
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ choices, usage }))
    })
  })
  server.listen(0, '127.0.0.1', async () => {
    const baseUrl = 'http://127.0.0.1:' + server.address().port + '/v1'
    const price = { input: 0.001, output: 0.01 }
    const router = createRouter({
      models: { a: { provider: 'openai-compatible', baseUrl, apiKey: 'k', price } },
      ledger: process.argv[1],
    })
    const ask = () => router.handle({ body: { model: 'a', messages: [], max_tokens: 50 }, identity: { user: 'u' } })
    await (await ask()).ended
    await new Promise((resolve) => setImmediate(resolve))
    await router.ledger.flush()
    await ask()
  })
`

async function startBusy(): Promise<ChildProcess> {
  const cwd = path.resolve(import.meta.dirname, '../..')
  const args = ['--conditions=@signalbox/source', '--input-type=module', '-e', busy, file]
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

it('finds every acknowledged call once after kill -9, and the one in flight once, estimated, at its bound', async () => {
  const child = await startBusy()
  child.kill('SIGKILL')
  await once(child, 'exit')
  for (let time = 0; time < 2; time++) {
    const ledger = createSqliteLedger({ file, clock: createFakeClock() })
    const rows = [...ledger.attempts()]
    expect(rows.map(({ outcome, estimated }) => [outcome, estimated])).toEqual([
      ['ok', false],
      ['lost', true],
    ])
    expect(rows[0]!.costNanoUsd).toBe(60n)
    const { inputTokens, outputTokens, costNanoUsd, identity } = rows[1]!
    expect(outputTokens).toBe(50)
    expect(costNanoUsd).toBe(BigInt(inputTokens + 500))
    expect(identity).toMatchObject({ user: 'u' })
    expect([...ledger.calls()].map(({ outcome }) => outcome)).toEqual(['ok', 'lost'])
    await ledger.end()
  }
  expect(leftBeside()).toEqual([])
}, 30_000)

it('leaves the journal of a process that lives alone', async () => {
  const child = await startBusy()
  const ledger = createSqliteLedger({ file, clock: createFakeClock() })
  expect([...ledger.attempts()].map(({ outcome }) => outcome)).toEqual(['ok'])
  await ledger.end()
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(abandonedIntents(file).intents.length).toBeGreaterThan(0)
}, 30_000)

const intent: LedgerIntent = {
  callKey: 'c',
  place: 0,
  callId: 'i',
  time: 0,
  identity: {},
  route: 'a',
  model: 'a',
  provider: 'p',
  inputTokens: 1,
  outputTokens: 1,
  boundNanoUsd: 1,
}

it('finds the journal that a writer left behind, and takes nothing away until it is told to', () => {
  const journal = openJournal(file)
  journal.begin(intent)
  expect(abandonedIntents(file).intents).toEqual([])
  journal.end()
  const found = abandonedIntents(file)
  expect(found.intents).toEqual([intent])
  // Meanwhile nobody else finds it.
  expect(abandonedIntents(file).intents).toEqual([])
  found.leave()
  const again = abandonedIntents(file)
  expect(again.intents).toEqual([intent])
  again.drop()
  expect(leftBeside()).toEqual([])
})

it('finds journals later that it could not have now, for the lock of one that cannot be opened', () => {
  for (const callKey of ['c', 'd', 'e'])
    fs.writeFileSync(`${file}-intents-${callKey}-0`, `\n${JSON.stringify({ ...intent, callKey })}`)
  for (const writer of ['c', 'd', 'e']) {
    const lock = `${file}-alive-${writer}`
    fs.mkdirSync(lock)
    expect(() => abandonedIntents(file)).toThrow('unable to open')
    fs.rmdirSync(lock)
  }
  expect(
    abandonedIntents(file)
      .intents.map(({ callKey }) => callKey)
      .toSorted(),
  ).toEqual(['c', 'd', 'e'])
})

it('keeps the journals of two ledgers of one process apart', () => {
  const [one, other] = [openJournal(file), openJournal(file)]
  one.begin(intent)
  other.begin({ ...intent, callKey: 'd' })
  other.settled('d', 0)
  other.end()
  expect(leftBeside()).toHaveLength(2)
  one.end()
  expect(abandonedIntents(file).intents).toEqual([intent])
})

describe('a journal that has grown long', () => {
  const long = (callKey: string) => ({ ...intent, callKey, identity: { user: 'x'.repeat(10_000) } })
  const sizes = () =>
    leftBeside().flatMap((name) => (/-intents-/.test(name) ? fs.statSync(path.join(folder, name)).size : []))

  function fill(journal: ReturnType<typeof openJournal>, calls: number): void {
    for (let call = 0; call < calls; call++) {
      journal.begin(long(`over ${call}`))
      journal.settled(`over ${call}`, 0)
    }
  }

  it('loses nothing that is under way, and begins anew when nothing is', () => {
    const journal = openJournal(file)
    journal.begin(intent)
    fill(journal, 30)
    expect(sizes()[0]).toBeGreaterThan(300_000)
    journal.settled('c', 0)
    expect(sizes()).toEqual([0])
    fill(journal, 20)
    expect(sizes()[0]).toBeGreaterThan(200_000)
    journal.begin(intent)
    journal.end()
    expect(abandonedIntents(file).intents).toContainEqual(intent)
  })

  it('is left for another one, and goes when the last that stands in it has ended', () => {
    const journal = openJournal(file)
    journal.begin(intent)
    fill(journal, 900)
    expect(sizes()).toHaveLength(2)
    journal.settled('c', 0)
    expect(sizes()).toHaveLength(1)
    journal.begin(intent)
    fill(journal, 900)
    journal.end()
    expect(abandonedIntents(file).intents).toContainEqual(intent)
  })
})

it('goes on in a journal, and ends it, where none can be made to take its place', () => {
  const journal = openJournal(file)
  journal.begin({ ...intent, identity: { user: 'x'.repeat(9_000_000) } })
  const open = vi.spyOn(fs, 'openSync').mockImplementationOnce(() => {
    throw new Error('no space')
  })
  expect(() => journal.begin({ ...intent, callKey: 'd' })).toThrow('no space')
  open.mockRestore()
  journal.end()
  expect(abandonedIntents(file).intents.map(({ callKey }) => callKey)).toEqual(['c'])
})

it('finds the attempts behind one that a full disk cut', () => {
  const journal = openJournal(file)
  const write = vi.spyOn(fs, 'writeSync').mockImplementationOnce((descriptor, bytes) => {
    return fs.writeSync(descriptor, (bytes as unknown as Buffer).subarray(0, 20))
  })
  expect(() => journal.begin({ ...intent, callKey: 'cut' })).toThrow('the disk is full')
  write.mockRestore()
  journal.begin(intent)
  journal.end()
  expect(abandonedIntents(file).intents).toEqual([intent])
})

it('posts what it can of a journal, whatever else stands in it', async () => {
  const odd = { ...intent, callKey: 'odd', identity: { user: {} } }
  fs.writeFileSync(`${file}-intents-x-0`, [odd, intent].map((one) => `\n${JSON.stringify(one)}`).join(''))
  const errors: unknown[] = []
  const ledger = createSqliteLedger({ file, clock: createFakeClock(), onError: (error) => errors.push(error) })
  expect([...ledger.attempts()].map(({ callKey }) => callKey)).toEqual(['c'])
  expect(errors).toHaveLength(2)
  await ledger.end().catch(() => undefined)
})

it('drops a journal only when what stood in it is on disk', async () => {
  const journal = `${file}-intents-x-0`
  fs.writeFileSync(journal, `\n${JSON.stringify(intent)}`)
  const sync = vi.spyOn(fs, 'fdatasyncSync').mockImplementationOnce(() => {
    throw new Error('no disk')
  })
  expect(() => createSqliteLedger({ file, clock: createFakeClock() })).toThrow('no disk')
  expect(fs.existsSync(journal)).toBe(true)
  sync.mockRestore()
  const ledger = createSqliteLedger({ file, clock: createFakeClock() })
  expect(fs.existsSync(journal)).toBe(false)
  expect([...ledger.attempts()]).toHaveLength(1)
  await ledger.end()
})

it('posts what others leave behind while it is open, as often as they do', async () => {
  const clock = createFakeClock()
  const ledger = createSqliteLedger({ file, clock })
  for (const [index, callKey] of ['c', 'd', 'e'].entries()) {
    fs.writeFileSync(`${file}-intents-${callKey}-0`, `\n${JSON.stringify({ ...intent, callKey })}`)
    await clock.advance(30_000)
    expect([...ledger.attempts()]).toHaveLength(index + 1)
  }
  await ledger.end()
  expect(clock.pendingTimers()).toBe(0)
})

it('takes half a line for an attempt that was never sent', () => {
  fs.writeFileSync(`${file}-intents-x-0`, `${JSON.stringify(intent)}\n{"callKey":"d","pl`)
  expect(abandonedIntents(file).intents).toEqual([intent])
})

/** A process that begins an attempt, says so, and waits. */
const writing = `
  import { openJournal } from './src/ledger/journal.ts'
  const journal = openJournal(process.argv[1])
  journal.begin({ ...${JSON.stringify(intent)} })
  console.log(process.pid)
  // Its lock would end with it, were it collected.
  setInterval(() => journal, 1_000)
`

it.runIf(process.platform === 'linux')('takes a process for dead that died and was never waited for', async () => {
  // The shell becomes a program that waits for nobody, and its child keeps its number.
  const script = '"$0" --input-type=module -e "$1" "$2" & exec sleep 60'
  const cwd = path.resolve(import.meta.dirname, '../..')
  const parent = spawn('sh', ['-c', script, process.execPath, writing, file], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void parent.kill('SIGKILL'))
  const [told] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(String(told))
  onTestFinished(() => void process.kill(pid, 'SIGKILL'))
  expect(abandonedIntents(file).intents).toEqual([])
  process.kill(pid, 'SIGKILL')
  await vi.waitFor(() => expect(fs.readFileSync(`/proc/${pid}/stat`, 'latin1')).toMatch(/\) Z /))
  // Its other threads may take a moment longer.
  await vi.waitFor(() => expect(abandonedIntents(file).intents).toEqual([intent]))
})

/** A thread that keeps a new file from everybody for a moment, as another process does that makes it into a ledger. */
const keeper = `
  const { workerData, parentPort } = require('node:worker_threads')
  const { DatabaseSync } = require('node:sqlite')
  const database = new DatabaseSync(workerData)
  database.exec('begin immediate; create table mine (a)')
  parentPort.postMessage('kept')
  setTimeout(() => { database.exec('rollback'); database.close() }, 150)
`

it('waits for another process that opens the same new file', async () => {
  const worker = new Worker(keeper, { eval: true, workerData: file })
  await once(worker, 'message')
  const ledger = createSqliteLedger({ file, clock: createFakeClock() })
  expect([...ledger.attempts()]).toEqual([])
  await ledger.end()
  await worker.terminate()
})
