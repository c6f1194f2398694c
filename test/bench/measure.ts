import type { ChildProcess } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import type { HooksResult } from './load/hooks.ts'
import type { LedgerResult } from './load/ledger.ts'
import { node, sendRequests, sendStreams } from './load/send.ts'
import { busyTicks, cpuMicroseconds, hasCommand, processors, residentKilobytes } from './machine.ts'
import { collect, fileOf, freePort, ownTicks, run, start, stop } from './processes.ts'
import { type Phase, type Row, phases } from './rows.ts'
import { type Answer, type RequestShape, ask, failoverModel, ordinaryModel } from './traffic.ts'
import type { UpstreamCounts, UpstreamSettings } from './upstream.ts'

/** How a run goes. */
export interface RunOptions {
  readonly rows: readonly Row[]
  readonly phases: readonly Phase[]
  readonly rounds: number
  /** How long one slice of load lasts; wrk takes whole seconds only, and at least one. */
  readonly seconds: number
  /** How long a slice is under way before it is measured: a row that stood still is colder than traffic. */
  readonly leadInSeconds: number
  /** Requests that a row answers before it is measured, and a fifth of that in streams, and with a failed attempt. */
  readonly warmUpRequests: number
  /** For a row that is too slow for so many: the time after which each kind of them ends. */
  readonly longestWarmUpMs: number
  readonly openStreams: number
  /** A stream held open gets this many chunks, one each 100 ms. */
  readonly holdChunks: number
  readonly useWrk: boolean
  /** Slices during which others took more than this share of the machine are run again, while time for that is left. */
  readonly quietShare: number
  readonly repeatSeconds: number
  /** Parameters for the Node of every row. */
  readonly nodeParameters: readonly string[]
  readonly say: (line: string) => void
}

/** What one phase of one row measured in one round. */
export type Sample = Readonly<Record<string, number>>

/** Everything a run measured. */
export interface Results {
  readonly options: RunOptions
  readonly rows: readonly Row[]
  /** By row, phase and round. */
  readonly samples: ReadonlyMap<string, ReadonlyMap<Phase, ReadonlyMap<number, Sample>>>
  /** How many calls a second one process can write into its ledger, by round. */
  readonly ledgered: readonly number[]
  /** What plugins that do nothing add to a call in process, by round. */
  readonly hooked: readonly HooksResult[]
  /** Why a row could not be measured. */
  readonly faults: ReadonlyMap<string, string>
  readonly slices: { total: number; repeated: number; noisy: number }
}

/** Whether wrk is there to make the load. */
export const hasWrk = hasCommand('wrk')

/** Connections of the busy load. */
const busyConnections = 16
const chunksOfBlast = 200
const rampSeconds = 0.4
/** Rounds of heavy rows outside of the busy phase are every so many. */
const heavyEvery = 3

interface Upstreams {
  readonly address: string
  readonly brokenAddress: string
  readonly port: number
  set(settings: UpstreamSettings): Promise<UpstreamCounts>
}

interface Standing {
  readonly port: number
  readonly child: ChildProcess | undefined
}

/** Measures every row in turn, round after round. */
export async function measure(options: RunOptions): Promise<Results> {
  const samples = new Map<string, Map<Phase, Map<number, Sample>>>()
  const ledgered: number[] = []
  const hooked: HooksResult[] = []
  const results = {
    options,
    samples,
    ledgered,
    hooked,
    faults: new Map<string, string>(),
    slices: { total: 0, repeated: 0, noisy: 0 },
  }
  const upstreams = await startUpstreams()
  const standing = new Map<Row, Standing>()

  for (const row of options.rows) {
    try {
      const stands = await boot(row, upstreams, options)
      standing.set(row, stands)
      await check(row, stands.port, upstreams, options)
    } catch (error) {
      results.faults.set(row.id, error instanceof Error ? error.message : String(error))
      options.say(`${row.id} cannot be measured: ${results.faults.get(row.id)}`)
    }
  }
  const rows = options.rows.filter((row) => !results.faults.has(row.id))
  const bench: Bench = { options, upstreams, standing, slices: results.slices, repeatMs: options.repeatSeconds * 1_000 }

  options.say('warming up')
  for (const row of rows) await warmUp(row, standing.get(row)!, bench)
  for (let round = 0; round < options.rounds; round++) {
    options.say(`round ${round + 1} of ${options.rounds}`)
    for (const phase of phases) {
      if (!options.phases.includes(phase)) continue
      for (const row of rows) {
        if (!row.phases.includes(phase) || isLeftOut(row, phase, round)) continue
        const sample = await quietly(bench, () => measurePhase[phase](row, bench))
        put(samples, row.id, phase).set(round, sample)
      }
    }
    const has = (server: string) => options.rows.some((row) => row.server?.endsWith(server))
    if (has('-money')) ledgered.push((await quietly(bench, () => ledgerAlone(options))).perSecond)
    if (has('-plugins')) hooked.push(await quietly(bench, () => alone<HooksResult>('hooks', options)))
  }
  for (const { child } of standing.values()) if (child) await stop(child)
  await upstreams.stop()
  return { ...results, rows }
}

/** Heavy rows would take most of the time; only their CPU per request is held against a target. */
const isLeftOut = (row: Row, phase: Phase, round: number) =>
  row.heavy === true && phase !== 'busy' && round % heavyEvery > 0

function put(samples: Map<string, Map<Phase, Map<number, Sample>>>, id: string, phase: Phase): Map<number, Sample> {
  const ofRow = samples.get(id) ?? new Map<Phase, Map<number, Sample>>()
  samples.set(id, ofRow)
  const ofPhase = ofRow.get(phase) ?? new Map<number, Sample>()
  ofRow.set(phase, ofPhase)
  return ofPhase
}

interface Bench {
  readonly options: RunOptions
  readonly upstreams: Upstreams
  readonly standing: Map<Row, Standing>
  readonly slices: Results['slices']
  /** Time that is left for running slices again. */
  repeatMs: number
}

/** Runs a slice, and once more when others were busy meanwhile; the quieter one counts. */
async function quietly<T>(bench: Bench, slice: () => Promise<T>): Promise<T> {
  bench.slices.total++
  const first = await watched(slice)
  if (first.share <= bench.options.quietShare) return first.sample
  if (bench.repeatMs <= 0) {
    bench.slices.noisy++
    return first.sample
  }
  bench.slices.repeated++
  const startedAt = Date.now()
  const second = await watched(slice)
  bench.repeatMs -= Date.now() - startedAt
  const best = second.share < first.share ? second : first
  if (best.share > bench.options.quietShare) bench.slices.noisy++
  return best.sample
}

async function watched<T>(slice: () => Promise<T>): Promise<{ sample: T; share: number }> {
  const busyBefore = busyTicks()
  const ownBefore = ownTicks()
  const startedAt = Date.now()
  const sample = await slice()
  const foreign = busyTicks() - busyBefore - (ownTicks() - ownBefore)
  return { sample, share: Math.max(0, foreign) / (((Date.now() - startedAt) / 10) * processors) }
}

const quickStreams: UpstreamSettings = { chunks: 20, gapMs: 0 }

async function startUpstreams(): Promise<Upstreams & { stop(): Promise<void> }> {
  const [port, brokenPort] = [await freePort(), await freePort()]
  const child = start({
    side: 'load',
    program: process.execPath,
    parameters: [fileOf('upstream.ts'), String(port), String(brokenPort)],
  })
  collect(child)
  const set = (settings: UpstreamSettings) =>
    new Promise<UpstreamCounts>((resolve) => {
      child.once('message', (counts) => resolve(counts as UpstreamCounts))
      child.send(settings)
    })
  await set(quickStreams)
  return {
    address: `http://127.0.0.1:${port}`,
    brokenAddress: `http://127.0.0.1:${brokenPort}`,
    port,
    set,
    stop: () => stop(child),
  }
}

/** Starts a row and waits for its first answer. */
async function boot(row: Row, upstreams: Upstreams, { nodeParameters }: RunOptions): Promise<Standing> {
  if (!row.server) return { port: upstreams.port, child: undefined }
  const port = await freePort()
  const child = start({
    side: 'row',
    program: row.node ?? process.execPath,
    parameters: [
      ...nodeParameters,
      fileOf('servers/index.ts'),
      row.server,
      String(port),
      upstreams.address,
      upstreams.brokenAddress,
    ],
  })
  const said = collect(child)
  const patienceUntil = Date.now() + 15_000
  for (;;) {
    const answer = await ask(port, shapeOf(row, upstreams)).catch((error: unknown) => error as Error)
    if (!(answer instanceof Error)) return { port, child }
    if (child.exitCode !== null || Date.now() > patienceUntil)
      throw new Error(`it did not start: ${said().trim() || answer.message}`)
    await wait(50)
  }
}

function shapeOf(row: Row, { address, brokenAddress }: Upstreams, stream = false): RequestShape {
  return { model: ordinaryModel, stream, headers: row.headers?.(address, brokenAddress) ?? {} }
}

function failoverShape(row: Row, upstreams: Upstreams): RequestShape {
  const { address, brokenAddress } = upstreams
  const ordinary = shapeOf(row, upstreams)
  return row.failoverHeaders
    ? { ...ordinary, headers: row.failoverHeaders(address, brokenAddress) }
    : { ...ordinary, model: failoverModel }
}

/** A row that answers wrongly is not measured. */
async function check(row: Row, port: number, upstreams: Upstreams, options: RunOptions): Promise<void> {
  const plain = await ask(port, shapeOf(row, upstreams))
  expectAnswer('a plain answer', plain, ['"total_tokens":310', 'The quick brown fox'])
  await upstreams.set(quickStreams)
  // A row that gives plain answers alone may have kept the one above, and say that as a stream.
  if (row.phases.every((phase) => phase === 'busy' || phase === 'single')) return
  const streamed = await ask(port, shapeOf(row, upstreams, true))
  expectAnswer('a stream', streamed, ['[DONE]'])
  const chunks = streamed.body.match(/"content":"\d{8,} ?"/g)?.length
  if (chunks !== quickStreams.chunks) throw new Error(`a stream had ${chunks} chunks of ${quickStreams.chunks}`)
  if (!row.phases.includes('failover') || !options.phases.includes('failover')) return
  expectAnswer('failover', await ask(port, failoverShape(row, upstreams)), ['The quick brown fox'])
}

function expectAnswer(what: string, { status, body }: Answer, texts: readonly string[]): void {
  if (status === 200 && texts.every((text) => body.includes(text))) return
  throw new Error(`${what} was ${status} ${body.slice(0, 300)}`)
}

/** Compilers look at counts and not at time: a slow row needs longer to get warm. */
async function repeat(wanted: number, longestMs: number, slice: () => Promise<number>): Promise<void> {
  const giveUpAt = Date.now() + longestMs
  for (let done = 0; done < wanted && Date.now() < giveUpAt;) done += await slice()
}

async function warmUp(row: Row, { port }: Standing, { options, upstreams }: Bench): Promise<void> {
  const { warmUpRequests: wanted, longestWarmUpMs, seconds, useWrk } = options
  const load = { connections: busyConnections, seconds, useWrk }
  const measures = (phase: Phase) => row.phases.includes(phase) && options.phases.includes(phase)
  const send = async (shape: RequestShape) => (await sendRequests(port, shape, load)).requests
  await repeat(wanted, longestWarmUpMs, () => send(shapeOf(row, upstreams)))
  if (measures('failover')) await repeat(wanted / 5, longestWarmUpMs, () => send(failoverShape(row, upstreams)))
  if (!measures('first-chunk') && !measures('chunks')) return
  // Short ones: what is compiled late is the beginning and the end of a stream, and not what each chunk goes through.
  await upstreams.set({ chunks: 10, gapMs: 0 })
  const streamLoad = { connections: 8, seconds: seconds / 2 }
  await repeat(
    wanted / 5,
    longestWarmUpMs,
    async () => (await sendStreams(port, shapeOf(row, upstreams, true), streamLoad)).streams,
  )
}

async function ledgerAlone(options: RunOptions) {
  const { calls, microseconds } = await alone<LedgerResult>('ledger', options)
  return { perSecond: (calls / microseconds) * 1e6 }
}

/** A part by itself, in a process of its own. */
const alone = <T>(part: 'ledger' | 'hooks', { nodeParameters, seconds }: RunOptions) =>
  run<T>(node('row', [...nodeParameters, fileOf(`load/${part}.ts`), seconds]))

// Phases.

const measurePhase: Record<Phase, (row: Row, bench: Bench) => Promise<Sample>> = {
  busy: (row, bench) => requests(row, bench, { connections: busyConnections, shape: shapeOf(row, bench.upstreams) }),
  single: (row, bench) => requests(row, bench, { connections: 1, shape: shapeOf(row, bench.upstreams) }),
  failover: (row, bench) =>
    requests(row, bench, { connections: busyConnections, shape: failoverShape(row, bench.upstreams) }),
  'first-chunk': (row, bench) => streams(row, bench, { connections: 1, chunks: quickStreams.chunks }),
  chunks: (row, bench) => streams(row, bench, { connections: busyConnections, chunks: chunksOfBlast }),
  hold,
}

interface RequestLoad {
  readonly connections: number
  readonly shape: RequestShape
}

async function requests(row: Row, bench: Bench, { connections, shape }: RequestLoad): Promise<Sample> {
  const { options, standing } = bench
  const { port, child } = standing.get(row)!
  const { seconds, leadInSeconds, useWrk } = options
  if (leadInSeconds > 0) await sendRequests(port, shape, { connections, seconds: leadInSeconds, useWrk })
  const before = cpuOf(child)
  const result = await sendRequests(port, shape, { connections, seconds, useWrk })
  return {
    cpu: (cpuOf(child) - before) / result.requests,
    perSecond: (result.requests / result.microseconds) * 1e6,
    p50: result.p50,
    p99: result.p99,
    failed: result.failed,
  }
}

interface StreamLoad {
  readonly connections: number
  readonly chunks: number
}

async function streams(row: Row, bench: Bench, { connections, chunks }: StreamLoad): Promise<Sample> {
  const { options, standing, upstreams } = bench
  const { port, child } = standing.get(row)!
  const { seconds, leadInSeconds } = options
  const shape = shapeOf(row, upstreams, true)
  await upstreams.set({ chunks, gapMs: 0 })
  if (leadInSeconds > 0) await sendStreams(port, shape, { connections, seconds: leadInSeconds * 0.7 })
  const before = cpuOf(child)
  const result = await sendStreams(port, shape, { connections, seconds: seconds * 0.7 })
  return {
    cpu: (cpuOf(child) - before) / result.chunks,
    firstChunkP50: result.firstChunk.p50,
    firstChunkP99: result.firstChunk.p99,
    failed: result.failed,
  }
}

/** Many streams open at once, in a process of its own so that its memory has no past. */
async function hold(row: Row, { options, upstreams }: Bench): Promise<Sample> {
  const { port, child } = await boot(row, upstreams, options)
  const shape = shapeOf(row, upstreams, true)
  await upstreams.set(quickStreams)
  await sendStreams(port, shape, { connections: 8, seconds: options.seconds * 0.6 })
  await upstreams.set({ chunks: options.holdChunks, gapMs: 100 })
  const before = memoryOf(child)
  const cpuBefore = cpuOf(child)
  let most = before
  const timer = setInterval(() => (most = Math.max(most, memoryOf(child))), 50)
  const result = await sendStreams(port, shape, { connections: options.openStreams, seconds: 0.1, ramp: rampSeconds })
  clearInterval(timer)
  const cpu = (cpuOf(child) - cpuBefore) / result.chunks
  const { mostOpenStreams } = await upstreams.set(quickStreams)
  if (child) await stop(child)
  return { kilobytes: (most - before) / options.openStreams, cpu, mostOpenStreams, failed: result.failed }
}

const cpuOf = (child: ChildProcess | undefined) => (child ? cpuMicroseconds(child.pid!) : Number.NaN)
const memoryOf = (child: ChildProcess | undefined) => (child ? residentKilobytes(child.pid!) : Number.NaN)
