import type { BreakerState } from './breaker/breaker.ts'
import type { Clock, Random } from './clock.ts'
import type { Settings } from './config/defaults.ts'
import type { BudgetSettings } from './money/budget.ts'
import type { HealthState } from './health/health-window.ts'
import type { ModelState } from './routing/model-state.ts'
import type { Price } from './money/price.ts'
import type { ConnectedModel } from './providers/provider.ts'
import type { Quirks } from './providers/quirks.ts'
import type { MediaPart } from './tokens/bounds.ts'
import type { AttemptRecord, CallRecord } from './record.ts'
import type { RetryBudget } from './retry/budget.ts'

/**
 * State that plugins hand along with a call. Empty here: a plugin adds its own keys by declaration merging, and reads
 * them back as possibly undefined.
 *
 * @example
 * declare module '@signalbox/core' {
 *   interface CallState { region: string }
 * }
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- merged into by plugins
export interface CallState {}

/** Answers a call. A model is a handler; so is the router. Rejects with a `SignalboxError`. */
export type Handler<C> = (call: C) => Promise<Reply>

/** A handler that may use another one. It may call `next` again (a retry) or not at all (a refusal, a cached answer). */
export type Middleware<C> = (call: C, next: Handler<C>) => Promise<Reply>

/** A budget of one caller's own. */
export type CallerBudget = Omit<BudgetSettings, 'per' | 'degrade'>

/** Who calls, as the host application says it. Never taken from an unauthenticated header or body. */
export interface Identity {
  readonly key?: string | undefined
  readonly user?: string | undefined
  readonly team?: string | undefined
  readonly tier?: string | undefined
  readonly tags?: readonly string[] | undefined
  /** The most that one call of this caller may cost, in US dollars. */
  readonly maxCostUsd?: number | undefined
  /** Whether time matters to this caller: for the strategy `tier`. @default false */
  readonly latencySensitive?: boolean | undefined
  /** The routes and models this caller may ask for; all of them when left out. */
  readonly routes?: readonly string[] | undefined
  /** The models that may answer this caller, whatever the route; all of them when left out. */
  readonly models?: readonly string[] | undefined
  /** Budgets of this caller's own, counted by its key, or else by its user. */
  readonly budgets?: readonly CallerBudget[] | undefined
}

/** A wire format. The names are the dialects' own; a new dialect is a new name. */
export type DialectName = 'openai-chat' | 'anthropic-messages' | 'openai-responses' | 'openai-embeddings'

/** What is called: `chat` for all that talk, whatever the dialect; `embeddings` for texts as vectors. */
export type Surface = 'chat' | 'embeddings'

/** A part of the conversation, whatever the wire format. */
export interface Message {
  readonly role: string
  /** All text in it, joined; empty where there is none. */
  readonly text: string
  /** What it holds besides, as text: calls of tools with their arguments, and thoughts. Absent where there are none. */
  readonly unspoken?: string
}

/** A tool the model may call. */
export interface Tool {
  /** That of its type where it has none of its own, as one that a provider runs itself. */
  readonly name: string
  readonly description?: string
  /** The JSON Schema of its arguments. */
  readonly inputSchema?: unknown
}

/** The parameters that every dialect has, under one name each. */
export interface Parameters {
  readonly stream: boolean
  readonly maxOutputTokens?: number
  readonly temperature?: number
  readonly topP?: number
  readonly seed?: number
  readonly choices?: number
  readonly stop?: readonly string[]
  readonly responseFormat?: 'text' | 'json' | 'json-schema'
}

/** What a request asks a model to read besides text. */
export type Modality = 'text' | 'image' | 'audio' | 'video' | 'file'

/** The parts of a request that are not text. */
export interface Media {
  readonly parts: readonly MediaPart[]
  /** Bytes of the body that are their contents. */
  readonly bytes: number
}

/** The request of a call: its bytes, its parsed form, and one view of it whatever the dialect. All of it is lazy. */
export interface Request {
  /** The model or route asked for, as the caller wrote it. */
  readonly model: string
  /** The bytes to send. Those that came, where nothing was changed. */
  readonly bytes: Uint8Array
  /** The parsed body. Treat it as frozen: change a request through {@link Request.with}. */
  readonly body: Readonly<Record<string, unknown>>
  readonly messages: readonly Message[]
  /** All text of all messages, joined by line feeds. */
  readonly text: string
  readonly tools: readonly Tool[]
  readonly parameters: Parameters
  readonly modality: ReadonlySet<Modality>
  /** What is not text, and how many bytes of the body it takes. */
  readonly media: Media
  /**
   * A changed copy. `patch` holds top-level fields of the body in the caller's dialect; `undefined` removes a field.
   * Only the fields named are written again: all other bytes stay as they came.
   */
  with(patch: Readonly<Record<string, unknown>>): Request
  /** A copy with every text in its messages changed, instructions and results of tools among them, whatever the dialect. */
  mapText(map: (text: string, role: string) => string): Request
  /**
   * A copy with other parameters, whatever the dialect.
   *
   * @throws SignalboxError `untranslatable` for a parameter that the dialect does not have
   */
  withParameters(parameters: ChangedParameters): Request
}

/** Parameters that may be changed; what is left out stays. */
export type ChangedParameters = Partial<Pick<Parameters, 'maxOutputTokens' | 'temperature' | 'topP' | 'seed' | 'stop'>>

/** Pino's shape. Every method takes an object of fields and a message. */
export interface Logger {
  debug(fields: object, message?: string): void
  info(fields: object, message?: string): void
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
}

/** One request for an answer on its way through the call ring. Immutable: a changed copy goes on. */
export interface Call {
  /** As the caller or the host gave it: for people and logs. It may come twice. */
  readonly id: string
  /** Names the call wherever something is counted for it: never comes twice. */
  readonly key: string
  /** The call on whose behalf a plugin makes this one. */
  readonly parent?: string
  /** That call, as the plugin had it: what it may cost holds for both together. */
  readonly madeFor?: Call
  /** The plugins that made this call, or one that it descends from. Their hooks are left out of it. */
  readonly madeBy?: readonly string[]
  readonly identity: Identity
  /** The name of the route (or model) that it goes by: the one that was asked for, unless a plugin or a budget handed it on to another. */
  readonly route: string
  readonly dialect: DialectName
  readonly surface: Surface
  readonly request: Request
  readonly labels: Readonly<Record<string, string>>
  readonly state: Readonly<Partial<CallState>>
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal
  /** When the whole call must have ended, on the router's monotonic clock, in milliseconds. */
  readonly deadline: number
  /** The most that all its attempts together may cost, in nano-USD; undefined where nothing bounds it. */
  readonly maxCostNanoUsd: number | undefined
  /** Headers of the caller's that may go on to a provider. */
  readonly headers: Readonly<Record<string, string>>
  /** The host's logger for this call. */
  readonly log: Logger | undefined
  /** What the caller wants of a cache, as HTTP's `Cache-Control` says it. */
  readonly cacheControl?: string
  /** Calls of one caller with the same one are one call. */
  readonly idempotencyKey?: string
  /** What is decided and what happens, written as it happens. To read, not to write. */
  readonly record: CallRecord
}

/** A model as a strategy sees it. */
export interface CandidateView {
  /** Its name in the configuration. */
  readonly name: string
  readonly provider: string
  /** The provider's own name for it. */
  readonly model: string
  readonly weight: number
  readonly tags: readonly string[]
  /** What fails together with it. */
  readonly domain: string
  readonly reasoning: boolean
  /** The tokens it can read and write in one call, where that is known. */
  readonly contextWindow: number | undefined
  /** The tokens it can write in one call, where that is known. */
  readonly maxOutputTokens: number | undefined
  /** Whether it can call tools; undefined where that is not known, and so not checked. */
  readonly tools?: boolean | undefined
  /** What it can read besides text; undefined where that is not known, and so not checked. */
  readonly modalities?: readonly Modality[] | undefined
  /** What its tokens cost now; undefined where that is unknown. */
  readonly price: Price | undefined
  /** What its own calls of the last minutes say. */
  readonly health: HealthState
  readonly breaker: BreakerState
  /** Milliseconds until a call to it may start; 0 when it may start now. */
  readonly readyInMs: number
}

/** A model of a route, ready to be tried. */
export interface Candidate extends CandidateView {
  /** The settings that hold for this model on this route: model over route over top. */
  readonly settings: Settings
  /** What is known of it while the router runs: for the built-in plugins. */
  readonly state: ModelState
  /** The retries that its domain allows. */
  readonly retryBudget: RetryBudget
  /** The wire formats that its provider is spoken to in; the first is what others are translated into. */
  readonly dialects: readonly DialectName[]
  /** In what its provider differs from others that speak the same. */
  readonly quirks: Quirks | undefined
  /** Sends one attempt to the provider, in the caller's dialect or another. */
  readonly send: Handler<Attempt>
  /** The base URL and the key that it is reached with, as its domain would be named by itself. */
  readonly account: string
  /** Asks the provider whether it is there and takes the key. Absent where a provider has no such question. */
  readonly verify: ConnectedModel['verify']
}

/** One try of one candidate on its way through the attempt ring. */
export interface Attempt {
  readonly call: Call
  readonly candidate: Candidate
  /** 1 for the first attempt at this candidate. */
  readonly number: number
  /** The candidates that stand behind this one. */
  readonly alternatives: readonly CandidateView[]
  /** Whether it may wait in a queue for a limited candidate. */
  readonly mayWait: boolean
  readonly signal: AbortSignal
  /** When the first content of a stream, or the whole of a plain answer, must be there (monotonic milliseconds). */
  readonly deadline: number
  /** The longest silence inside a stream, in milliseconds. */
  readonly stallMs: number
  /** The money held for it, where any is. */
  readonly held?: HeldMoney
  /** The limit on the output of each choice, in tokens, that a guard gave to a request without one. */
  readonly ourOutputTokens?: number
  /** Told where it is written down, right before it is sent: never, where it is kept back. */
  readonly onSend?: ((entry: AttemptRecord) => void) | undefined
  /** Where it is written down: known further in than the step `meter`. */
  readonly entry?: AttemptRecord
}

/** Money held for one attempt. */
export interface HeldMoney {
  readonly nanoUsd: number
  /** What a plugin further out holds for the same attempt. */
  readonly around?: HeldMoney | undefined
  /** Whether the attempt is sent though the ledger cannot write it down: no budget that counts it is `closed` then. */
  mayGoUnwritten?: boolean
  /** Where the attempt is written down, as often as it is sent: once, unless a plugin further in tries again. */
  entries?: AttemptRecord[]
  /** What is to be done when none of these is under way any more. */
  waiting?: (() => unknown)[]
}

/** Tokens by class. The classes are disjoint: they sum to what the provider counted. */
export interface Usage {
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  /** Those of the cache writes that live for an hour; absent where none do. */
  readonly longCacheWriteTokens?: number | undefined
  /** What does not add up in what the provider said, or has a price of its own; absent where nothing is. The dearer reading stands. */
  readonly faults?: readonly UsageFault[]
}

/**
 * What is odd about a provider's usage:
 * - `total_mismatch`: the total is not the sum of its parts. What it has beyond them is counted as reasoning.
 * - `cached_above_input`, `reasoning_above_output`: a part is larger than its whole, and so counted beside it.
 * - `no_input`: no input at all was counted.
 * - `not_a_count`: a count that is negative, no number, or no whole one.
 * - `audio`: it has tokens of audio, whose own price is not known here: they are charged as text.
 * - `long_cache_write`: it has cache writes that live for an hour, whose own price is not known: they are charged as others.
 * - `compaction`: it has the tokens of a compaction, a request of its own: they are counted in, at the tier of both together.
 * - `other_tier`: it was served at another tier or speed, whose price is not known here: it is charged as the usual one.
 * - `tool_fees`: it has searches that are paid for one by one: they are charged for their tokens alone.
 */
export type UsageFault =
  | 'total_mismatch'
  | 'cached_above_input'
  | 'reasoning_above_output'
  | 'no_input'
  | 'not_a_count'
  | 'audio'
  | 'long_cache_write'
  | 'compaction'
  | 'other_tier'
  | 'tool_fees'

/** How a reply came to its end. */
export interface Ended {
  readonly how: 'complete' | 'cut' | 'stalled' | 'cancelled'
  /** What the provider said was used, or what was counted where it did not say. */
  readonly usage: Usage
  /** Whether the usage was counted here because the provider did not say. */
  readonly estimated: boolean
}

/** Where a stream writes: a `ServerResponse` is one. */
export interface Sink {
  /** Takes a chunk; false asks the stream to hold until `drain`. */
  write(chunk: Uint8Array): boolean
  once(event: 'drain', listener: () => void): unknown
}

/** A body that arrives in pieces. It has one consumer: `to`, or one iteration. */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  /** Whether it has its consumer; undefined where that is not known. */
  readonly isTaken?: boolean
  /** Writes all of it to the sink with back-pressure, and settles when the last byte is handed over. Does not end the sink. */
  to(sink: Sink): Promise<void>
  /**
   * Shows every chunk to the observer as it passes, and calls `onEnd` after the last one: a stream that breaks off may
   * never come to it. The observer must not change a chunk, and what it throws is ignored.
   */
  tap(observer: (chunk: Uint8Array) => void, onEnd?: () => void): void
}

/**
 * An answer, plain or streamed. The promise of it settles at the commit point: at the first content of a stream, or when
 * the whole of a plain answer is there. Before it any failure is a rejection, and another model may be tried.
 */
export interface Reply {
  readonly status: number
  /** Lower-case names; only what may go to the caller. */
  readonly headers: Readonly<Record<string, string>>
  readonly dialect: DialectName
  /** The model that answered, by its name in the configuration. */
  readonly model: string
  readonly body: Uint8Array | ByteStream
  /** How it ended and what it used. Never rejects. */
  readonly ended: Promise<Ended>
  /** Gives it up: the upstream is aborted. A reply that is not handed on must be cancelled. */
  cancel(reason?: unknown): void
}

/** What everything that lives as long as the router is given. */
export interface Services {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger | undefined
}
