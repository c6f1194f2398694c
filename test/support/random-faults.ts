import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import {
  type Responder,
  type Script,
  chunk,
  completion,
  cut,
  drip,
  end,
  garbage,
  halfHead,
  hang,
  html,
  informational,
  jsonError,
  lastChunk,
  reply,
  reset,
  resetWhenReused,
  seededRandom,
  sseComment,
  stream,
  streamEvents,
  streamHead,
} from '@signalbox/testkit'
import { begin, chat } from './caller.ts'
import type { Mount, Mounted } from './mounts.ts'
import { startOwnTime } from './own-time.ts'
import { upstreamThat } from './routers.ts'
import type { SoakReport } from './soak-host.ts'

/** How a soak goes. */
export interface Soak {
  readonly mount: Mount['name']
  readonly seconds: number
  /** Pauses in which the host is looked at. */
  readonly rounds: number
  readonly seed: number
}

/** What a soak found. */
export interface Soaked {
  /** Of the host, when nobody called, after each round. */
  readonly reports: readonly SoakReport[]
  /** Of the host, when the router and the server were closed. */
  readonly last: SoakReport
  /** What callers found that should not be. */
  readonly wrong: readonly string[]
  readonly callers: number
  readonly slowestMs: number
}

const atOnce = 50
/** Whoever waits longer waits for ever: the deadline is 3 s. Time in which the machine stood does not count. */
const longestMs = 8_000

type Random = () => number
const draw = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)]!

const content = ['Züge ', 'fahren ', 'heute ', 'pünktlich ', '🚂', '.']
const usage = { prompt_tokens: 10, completion_tokens: 6, total_tokens: 16 }
const events = streamEvents({ content, usage })
const streamed = Buffer.from(events.join(''))

/** What an unsteady provider does. Half of all answers are right ones. */
function unsteady(random: Random): Responder {
  return (request) => {
    const wantsStream = (request.json() as { stream?: boolean }).stream === true
    const right = wantsStream ? rightStream(random) : completion({ content: content.join(''), usage })
    return random() < 0.5
      ? right
      : draw(wantsStream ? [...faults, ...streamFaults(random)] : [...faults, ...plainFaults], random)
  }
}

/** A right stream, cut into pieces anywhere, also inside of characters. */
function rightStream(random: Random): Script {
  const [one, two] = [random(), random()].map((at) => Math.floor(at * streamed.length)).toSorted((a, b) => a - b)
  const pieces = cut(streamed, [one!, two!]).filter((piece) => piece.length > 0)
  return [streamHead(), chunk(sseComment('ping')), ...pieces.map((piece) => chunk(piece)), lastChunk()]
}

const faults: readonly Script[] = [
  reset(),
  end(),
  hang(),
  garbage(),
  [halfHead(), end()],
  [halfHead(), reset()],
  html(502),
  jsonError(500),
  jsonError(503, { code: 'server_is_overloaded' }),
  jsonError(400, { type: 'invalid_request_error' }),
  jsonError(429, { code: 'rate_limit_exceeded' }, { 'retry-after-ms': 20 }),
  [informational(), completion({ content: 'after 103', usage })],
  resetWhenReused(completion({ content: 'once', usage })),
]

const plainFaults: readonly Script[] = [
  [reply({ body: '{"id":"x","choices":[', contentLength: 400 }), end()],
  [reply({ body: '{"id":"x"', contentLength: 400 }), hang()],
  reply({ body: '', headers: { 'content-type': 'application/json' } }),
  reply({ body: '{"no":"choices"}', headers: { 'content-type': 'application/json' } }),
  drip(JSON.stringify({ error: 'slow' }), { everyMs: 40, bytesPerWrite: 1 }),
]

function streamFaults(random: Random): readonly Script[] {
  const some = events.slice(0, Math.floor(random() * events.length)).map((event) => chunk(event))
  return [
    [streamHead(), ...some, reset()],
    [streamHead(), ...some, end()],
    [streamHead(), ...some, hang()],
    [streamHead(), ...some, chunk('data: {"broken\n\n'), reset()],
    stream(['data: [DONE]\n\n']),
    stream([]),
    stream(['data: {"error":{"message":"overloaded","type":"server_error"}}\n\n']),
  ]
}

/** Lets 50 callers at once ask for so long, each in a way of its own, of models that fail in every way. */
export async function soak({ mount, seconds, rounds, seed }: Soak): Promise<Soaked> {
  const random = seededRandom(seed)
  const upstreams = await Promise.all([
    upstreamThat(unsteady(random)),
    upstreamThat(unsteady(random)),
    upstreamThat((request) =>
      (request.json() as { stream?: boolean }).stream ? stream(events) : completion({ content: 'steady', usage }),
    ),
  ])
  const host = await startHost(
    mount,
    upstreams.map(({ baseUrl }) => baseUrl),
  )
  const found = { wrong: [] as string[], callers: 0, slowestMs: 0 }
  const reports: SoakReport[] = []
  for (let round = 0; round < rounds; round++) {
    const untilMs = performance.now() + (1_000 * seconds) / rounds
    await Promise.all(Array.from({ length: atOnce }, () => callUntil(untilMs, host.mounted, random, found)))
    reports.push(await host.quietReport())
  }
  return { reports, last: await host.leave(), ...found }
}

async function callUntil(
  untilMs: number,
  mounted: Mounted,
  random: Random,
  found: { wrong: string[]; callers: number; slowestMs: number },
): Promise<void> {
  do {
    const elapsedMs = startOwnTime()
    const behaviour = draw(behaviours, random)
    const wrong = await Promise.race([
      behaviour(mounted, random).catch((error: unknown) => `${behaviour.name}: ${String(error)}`),
      tooLong(elapsedMs).then(() => `${behaviour.name} got no end within ${longestMs} ms`),
    ])
    if (wrong) found.wrong.push(wrong)
    found.callers++
    found.slowestMs = Math.max(found.slowestMs, elapsedMs())
  } while (performance.now() < untilMs)
}

async function tooLong(elapsedMs: () => number): Promise<void> {
  for (let leftMs = longestMs; leftMs > 0; leftMs = longestMs - elapsedMs())
    await pause(leftMs, undefined, { ref: false })
}

type Behaviour = (mounted: Mounted, random: Random) => Promise<string | undefined>

function ask(mounted: Mounted, random: Random, extra: object = {}) {
  const headers = { 'x-user': `user-${Math.floor(random() * 50)}` }
  return begin(mounted, { headers, body: chat({ stream: random() < 0.6, ...extra }) })
}

async function readsAll(mounted: Mounted, random: Random): Promise<string | undefined> {
  const answer = await (await ask(mounted, random).answered).rest()
  return complaintOf(answer.status, answer.text, String(answer.headers['content-type']))
}

async function leavesEarly(mounted: Mounted, random: Random): Promise<undefined> {
  const { answered, leave } = ask(mounted, random)
  await pause(random() * 30)
  leave()
  await answered.catch(() => undefined)
}

async function leavesMidStream(mounted: Mounted, random: Random): Promise<undefined> {
  const answer = await ask(mounted, random, { stream: true }).answered
  await answer.until('"content"')
  answer.leave()
}

async function readsSlowly(mounted: Mounted, random: Random): Promise<string | undefined> {
  const answer = await ask(mounted, random).answered
  answer.message.pause()
  await pause(50 + random() * 150)
  const { status, text, headers } = await answer.rest()
  return complaintOf(status, text, String(headers['content-type']))
}

async function asksBadly(mounted: Mounted, random: Random): Promise<string | undefined> {
  const body = draw(['{', '[]', '{"model":"nobody","messages":[]}', '\u0000'], random)
  const answer = await (await begin(mounted, { body }).answered).rest()
  return answer.status >= 400 && answer.status < 500 ? undefined : `bad request ${body}: ${answer.status}`
}

/** Leaves in the middle of its own request. */
async function sendsHalf({ port, prefix }: Mounted, random: Random): Promise<undefined> {
  const bytes = JSON.stringify(chat())
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(`POST ${prefix}/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`)
  socket.write(`content-length: ${bytes.length + 50}\r\n\r\n${bytes}`)
  await pause(random() * 50)
  socket.destroy()
}

const behaviours: readonly Behaviour[] = [
  readsAll,
  readsAll,
  readsAll,
  leavesEarly,
  leavesMidStream,
  readsSlowly,
  asksBadly,
  sendsHalf,
]

/** A caller gets a whole answer, a stream that ends in `[DONE]` or in an error event, or an error in OpenAI's shape. */
function complaintOf(status: number, text: string, type: string): string | undefined {
  if (status !== 200) return JSON.parse(text).error?.message ? undefined : `an error that says nothing: ${text}`
  if (!type.startsWith('text/event-stream')) return JSON.parse(text).choices ? undefined : `no answer: ${text}`
  const isWhole = text.trimEnd().endsWith('data: [DONE]') || /"error":\s*\{/.test(text)
  return isWhole ? undefined : `a stream that just ends: ${text.slice(-200)}`
}

interface Host {
  readonly mounted: Mounted
  /** What it says when every call has ended. */
  quietReport(): Promise<SoakReport>
  leave(): Promise<SoakReport>
}

async function startHost(mount: Mount['name'], baseUrls: readonly string[]): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-soak-'))
  const file = fileURLToPath(new URL('soak-host.ts', import.meta.url))
  const flags = ['--expose-gc', '--conditions=@signalbox/source']
  const child = spawn(process.execPath, [...flags, file, mount, join(folder, 'ledger.db'), ...baseUrls], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  onTestFinished(async () => {
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit')
    rmSync(folder, { recursive: true, force: true })
  })
  const gone = once(child, 'exit').then(([code]) => Promise.reject(new Error(`The host left with ${code}`)))
  gone.catch(() => undefined)
  const said = async <T>() => (await Promise.race([once(child, 'message'), gone]))[0] as T
  const port = await said<number>()
  const url = `http://127.0.0.1:${port}/v1`
  const asked = (question: string) => {
    child.send(question)
    return said<SoakReport>()
  }
  return {
    mounted: { port, prefix: '/v1', url } as Mounted,
    async quietReport() {
      const elapsedMs = startOwnTime()
      for (;;) {
        const report = await asked('report')
        if (report.openCalls === 0 || elapsedMs() > longestMs) return report
        await pause(50)
      }
    },
    leave: () => asked('leave'),
  }
}

/** Expects that a soaked host is as it was: nobody waits, nothing is left, and nothing grows. */
export function expectSound({ reports, last, wrong, callers, slowestMs }: Soaked): void {
  expect(wrong.slice(0, 10)).toEqual([])
  expect(slowestMs).toBeLessThan(longestMs)
  expect(last.complaints).toEqual([])
  expect(reports.map(({ openCalls }) => openCalls)).toEqual(reports.map(() => 0))
  expect(last.endedCalls).toBeGreaterThan(callers / 2)
}

/** How much a soak's host grew from the second quarter to the last, by medians: the heap as a share, resources by number. */
export function growthOf({ reports }: Soaked): { readonly heap: number; readonly resources: number } {
  const quarter = reports.length / 4
  const medians = (of: (report: SoakReport) => number) =>
    [reports.slice(quarter, 2 * quarter), reports.slice(-quarter)].map((part) => median(part.map(of)))
  const [heapBefore, heapAfter] = medians(({ heapBytes }) => heapBytes)
  const [before, after] = medians(({ resources }) => resources)
  return { heap: heapAfter! / heapBefore! - 1, resources: after! - before! }
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
