import { Dispatcher } from 'undici'
import type { Clock } from './clock.ts'
import { seededRandom } from './seeded-random.ts'
import {
  limitedAnswer,
  modelList,
  plainAnswer,
  type SimulatedUsage,
  streamedAnswer,
} from './simulated-dispatcher/answers.ts'
import { answerSteps, deliver, faultSteps } from './simulated-dispatcher/deliver.ts'
import {
  createEnforcedLimits,
  type EnforcedLimitOptions,
  type EnforcedLimits,
} from './simulated-dispatcher/enforced-limits.ts'
import type { DispatcherFault, Outage } from './simulated-dispatcher/faults.ts'
import { isObject } from './simulated-provider/json-object.ts'
import { drawLatencyMs } from './simulated-provider/models.ts'

export interface SimulatedDispatcherOptions {
  /** Where time comes from: the router's own clock, so that both live in the same time. */
  readonly clock: Clock
  /** @default seededRandom(1) */
  readonly random?: () => number
  /** Time to the whole answer: percentiles of a log-normal, or a function of the time. @default p50 700, p99 1,800 */
  readonly latencyMs?: { readonly p50: number; readonly p99: number } | ((nowMs: number) => number)
  /** The part of its latency after which a stream has its first content. @default 0.3 */
  readonly firstTokenShare?: number
  /** How long a failing upstream takes to say so, in milliseconds. @default 1 */
  readonly errorMs?: number
  /** When it fails. Where two overlap, the one named first counts. @default never */
  readonly outages?: readonly Outage[]
  /** What it enforces by itself, with 429, `retry-after` and `x-ratelimit-*`. @default nothing */
  readonly limits?: EnforcedLimitOptions
  /** The tokens of a request. @default a quarter of its bytes in, and 100 or the limit it asks for out */
  readonly usage?: (body: Readonly<Record<string, unknown>>) => SimulatedUsage
  /** How many of the latest requests `journal` keeps. @default 10_000 */
  readonly journalLimit?: number
}

/** One request that came. */
export interface DispatchedRequest {
  readonly atMs: number
  readonly path: string
  /** What the request named in `model`. */
  readonly model: string
  /** What it counts for; 0 where it was not answered. */
  tokens: number
  /** `pending` until it has ended. `limited` is a 429 for a limit of its own, `failed` a fault. */
  outcome: 'pending' | 'answered' | 'limited' | 'failed' | 'aborted'
}

/** An upstream inside the process, as an undici dispatcher. */
export interface SimulatedDispatcher extends Dispatcher {
  /** How many calls came, and what became of them. Questions such as `GET /models` count as `questions` only. */
  readonly counts: Readonly<Record<'requests' | 'questions' | Exclude<DispatchedRequest['outcome'], 'pending'>, number>>
  /** The latest calls, oldest first. */
  readonly journal: readonly DispatchedRequest[]
  /** How many calls are under way, and how many there were at the most. */
  readonly inFlight: number
  readonly mostInFlight: number
  /** What its latencies are multiplied by. @default 1 */
  latencyScale: number
  /** Fails from now on, whatever its outages say. */
  fail(fault: DispatcherFault): void
  /** Takes `fail` back. */
  heal(): void
}

/**
 * Makes an upstream that answers in process, in the time of a fake clock: for simulating weeks of traffic through a
 * router. Hand it to a model as `dispatcher`.
 *
 * @example
 * const clock = createFakeClock()
 * const upstream = createSimulatedDispatcher({ clock, limits: { requestsPerMinute: 500 } })
 * const model = openaiCompatible({ baseUrl: 'http://a.invalid/v1', model: 'a', dispatcher: upstream })
 * const router = createRouter({ clock, models: { a: model } })
 * const reply = router.handle({ body: { model: 'a', messages: [{ role: 'user', content: 'Hello' }] } })
 * await clock.advance(5_000)
 * console.log((await reply).status, upstream.counts.answered) // 200 1
 */
export function createSimulatedDispatcher(options: SimulatedDispatcherOptions): SimulatedDispatcher {
  return new InProcessDispatcher(options)
}

type Outcome = Exclude<DispatchedRequest['outcome'], 'pending'>

class InProcessDispatcher extends Dispatcher implements SimulatedDispatcher {
  readonly counts = { requests: 0, questions: 0, answered: 0, limited: 0, failed: 0, aborted: 0 }
  readonly journal: DispatchedRequest[] = []
  inFlight = 0
  mostInFlight = 0
  latencyScale = 1
  private fault: DispatcherFault | undefined
  private readonly options: SimulatedDispatcherOptions
  private readonly random: () => number
  private readonly limits: EnforcedLimits | undefined

  constructor(options: SimulatedDispatcherOptions) {
    super()
    this.options = options
    this.random = options.random ?? seededRandom(1)
    this.limits = options.limits && createEnforcedLimits(options.limits)
  }

  fail(fault: DispatcherFault): void {
    this.fault = fault
  }

  heal(): void {
    this.fault = undefined
  }

  override dispatch(sent: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (sent.method === 'POST') this.call(sent, handler)
    else this.question(handler)
    return true
  }

  override close(): Promise<void> {
    return Promise.resolve()
  }

  override destroy(): Promise<void> {
    return Promise.resolve()
  }

  private question(handler: Dispatcher.DispatchHandler): void {
    const { clock, errorMs = 1 } = this.options
    const fault = this.faultNow()
    this.counts.questions++
    deliver(
      { handler, clock, onEnd: () => undefined },
      fault ? faultSteps(fault, errorMs) : answerSteps(modelList, errorMs),
    )
  }

  private call(sent: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const { clock, errorMs = 1, firstTokenShare = 0.3, usage: usageOf = usualUsage } = this.options
    const body = parse(sent.body)
    const model = String(body['model'])
    const entry: DispatchedRequest = { atMs: clock.now(), path: sent.path, model, tokens: 0, outcome: 'pending' }
    const delivery = (outcome: Outcome) => ({
      handler,
      clock,
      onEnd: (isAborted: boolean) => this.end(entry, isAborted ? 'aborted' : outcome),
    })
    this.begin(entry)
    const fault = this.faultNow()
    if (fault) return deliver(delivery('failed'), faultSteps(fault, errorMs))
    const usage = usageOf(body)
    const tokens = usage.inputTokens + usage.outputTokens
    const short = this.limits?.take(tokens, clock.now())
    const told = this.limits?.headers(clock.now()) ?? {}
    if (short) return deliver(delivery('limited'), answerSteps(limitedAnswer(short, told), errorMs))
    entry.tokens = tokens
    const latencyMs = this.drawLatencyMs()
    const answer = (body['stream'] === true ? streamedAnswer : plainAnswer)(model, usage, told)
    deliver(delivery('answered'), answerSteps(answer, latencyMs, latencyMs * firstTokenShare))
  }

  private begin(entry: DispatchedRequest): void {
    const { journalLimit = 10_000 } = this.options
    this.counts.requests++
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight)
    if (journalLimit > 0) this.journal.push(entry)
    if (this.journal.length > journalLimit) this.journal.shift()
  }

  private end(entry: DispatchedRequest, outcome: Outcome): void {
    entry.outcome = outcome
    this.counts[outcome]++
    this.inFlight--
  }

  private drawLatencyMs(): number {
    const { clock, latencyMs = usualLatencyMs } = this.options
    const drawn = typeof latencyMs === 'function' ? latencyMs(clock.now()) : drawLatencyMs({ latencyMs }, this.random)
    return drawn * this.latencyScale
  }

  private faultNow(): DispatcherFault | undefined {
    const now = this.options.clock.now()
    const outage = this.options.outages?.find(({ fromMs, untilMs }) => fromMs <= now && now < untilMs)
    return this.fault ?? (outage && (outage.fault ?? usualFault))
  }
}

const usualLatencyMs = { p50: 700, p99: 1_800 }
const usualFault: DispatcherFault = { status: 503 }

function usualUsage(body: Readonly<Record<string, unknown>>): SimulatedUsage {
  const { max_completion_tokens: most = body['max_tokens'] } = body
  const inputTokens = Math.ceil(JSON.stringify(body['messages'] ?? '').length / 4)
  return { inputTokens, outputTokens: typeof most === 'number' ? most : 100 }
}

function parse(body: unknown): Readonly<Record<string, unknown>> {
  const text = body instanceof Uint8Array ? Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString() : body
  const parsed: unknown = typeof text === 'string' ? JSON.parse(text) : undefined
  return isObject(parsed) ? parsed : {}
}
