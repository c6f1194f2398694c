import { Agent, type IncomingMessage, request } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ProgrammableUpstream,
  chunk,
  hang,
  lastChunk,
  sse,
  startProgrammableUpstream,
  streamEvents,
  streamHead,
  waitFor,
} from '@signalbox/testkit'
import { createSqliteLedger, systemClock } from '@signalbox/core'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { configFile, configFor, served } from './testing/signalbox.ts'

const env = { PROVIDER_KEY: 'sk-provider' }
const chat = (stream: boolean) => JSON.stringify({ model: 'auto', stream, messages: [{ role: 'user', content: 'hi' }] })
const events = streamEvents({ content: ['first', ' second'] })

let upstream: ProgrammableUpstream
beforeEach(async () => {
  upstream = await startProgrammableUpstream()
})
afterEach(() => upstream.close())

const serve = (...args: string[]) => served(configFile(configFor(upstream.baseUrl)), args, env)

/** Calls through an agent, and gives the head of the answer. */
function call(url: string, stream: boolean, agent?: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { 'content-type': 'application/json' }, agent }
    request(`${url}/chat/completions`, options, resolve).once('error', reject).end(chat(stream))
  })
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of answer.setEncoding('utf8')) text += part
  return text
}

it('refuses new calls with 503 and Retry-After while a stream goes on to its end, then exits with 0', async () => {
  let release!: () => void
  const released = new Promise<void>((resolve) => (release = resolve))
  upstream.respond([
    streamHead(),
    ...events.slice(0, 2).map(chunk),
    waitFor(released),
    ...events.slice(2).map(chunk),
    lastChunk(),
  ])
  const { url, ...running } = await serve()
  const keptOpen = new Agent({ keepAlive: true, maxSockets: 1 })
  await textOf(await call(`${url}/nowhere`, false, keptOpen))
  const streaming = await call(url, true)

  running.signal('SIGTERM')
  await running.logged('shutting down')
  for (const agent of [keptOpen, new Agent()]) {
    const refused = await call(url, false, agent)
    expect(refused.statusCode).toBe(503)
    expect(refused.headers).toMatchObject({ 'retry-after': '5', connection: 'close' })
    expect(JSON.parse(await textOf(refused))).toMatchObject({ error: { code: 'shutting_down' } })
  }
  expect((await fetch(`${url}/health/ready`)).status).toBe(503)

  release()
  const text = await textOf(streaming)
  expect(text).toContain(' second')
  expect(text).toMatch(/data: \[DONE\]\n\n$/)
  expect(await running.exited).toBe(0)
  expect(running.log().map(({ msg }) => msg)).toEqual(['listening', 'shutting down', 'call answered', 'stopped'])
})

it('cuts a stream that outlasts the limit with an error event, then exits with 0', async () => {
  upstream.respond([streamHead(), ...events.slice(0, 2).map(chunk), hang()])
  const { url, ...running } = await serve('--drain-ms', '200')
  const streaming = await call(url, true)
  running.signal('SIGTERM')
  const text = await textOf(streaming)
  const last = text.trimEnd().split('\n\n').at(-1)!
  expect(JSON.parse(last.replace('data: ', ''))).toMatchObject({
    error: { type: 'upstream_error', code: 'stream_interrupted', message: 'The server is shutting down' },
  })
  expect(text).not.toContain('[DONE]')
  expect(await running.exited).toBe(0)
  expect(running.log().at(-2)).toMatchObject({ msg: 'call answered', ended: 'cut' })
})

it.each([true, false])(
  'ends a call that has no answer yet at the limit (stream: %s), then exits with 0',
  async (stream) => {
    upstream.respond(hang())
    const { url, ...running } = await serve('--drain-ms', '200')
    const calling = call(url, stream)
    await expect.poll(() => upstream.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
    running.signal('SIGTERM')
    const answer = await calling
    expect(answer.statusCode).toBeGreaterThanOrEqual(500)
    expect(JSON.parse(await textOf(answer))).toMatchObject({ error: { code: expect.any(String) } })
    expect(await running.exited).toBe(0)
  },
)

it('has every call in the ledger when it has exited, the one that it cut too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-drain-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'ledger.db')
  upstream.respond([streamHead(), ...events.map(chunk), lastChunk()])
  const config = configFile({ ...configFor(upstream.baseUrl), ledger: file })
  const { url, ...running } = await served(config, ['--drain-ms', '200'], env)
  await textOf(await call(url, true))
  upstream.respond([streamHead(), ...events.slice(0, 2).map(chunk), hang()])
  const cut = await call(url, true)
  running.signal('SIGTERM')
  await textOf(cut)
  expect(await running.exited).toBe(0)

  const ledger = createSqliteLedger({ file, clock: systemClock })
  onTestFinished(() => ledger.end())
  expect([...ledger.attempts()].map(({ outcome }) => outcome)).toEqual(['ok', 'stream_interrupted'])
  expect([...ledger.calls()].map(({ outcome }) => outcome)).toEqual(['ok', 'stream_interrupted'])
})

it('waits no longer for a caller that does not read', async () => {
  const large = sse({ choices: [{ index: 0, delta: { content: 'x'.repeat(4_000_000) } }] })
  upstream.respond([streamHead(), ...events.slice(0, 2).map(chunk), chunk(large), chunk(large), hang()])
  const { url, ...running } = await serve('--drain-ms', '200')
  const streaming = await call(url, true)
  streaming.pause()
  streaming.once('error', () => {})
  running.signal('SIGTERM')
  expect(await running.exited).toBe(0)
})

it('exits at once when nothing is under way', async () => {
  const { url, ...running } = await serve()
  expect((await fetch(`${url}/health`)).status).toBe(200)
  running.signal('SIGINT')
  expect(await running.exited).toBe(0)
})

it('ends at once with 1 at a second signal', async () => {
  upstream.respond([streamHead(), ...events.slice(0, 2).map(chunk), hang()])
  const { url, ...running } = await serve()
  const streaming = await call(url, true)
  streaming.once('error', () => {})
  running.signal('SIGTERM')
  await running.logged('shutting down')
  running.signal('SIGINT')
  expect(await running.exited).toBe(1)
})
