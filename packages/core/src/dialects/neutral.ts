import type { Usage } from '../types.ts'

/**
 * What every dialect is read into and written from where the caller's is not the model's. It holds what at least two
 * dialects can say, and nothing else: what only one can say is not carried.
 */
export interface NeutralRequest {
  /** Instructions that stand outside the conversation. */
  readonly system?: readonly TextPart[]
  readonly messages?: readonly NeutralMessage[]
  readonly tools?: readonly NeutralTool[]
  readonly toolChoice?: 'auto' | 'none' | 'required' | { readonly name: string }
  /** Whether the model may call several tools at once. */
  readonly parallelTools?: boolean
  readonly maxOutputTokens?: number
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly stop?: readonly string[]
  readonly stream?: boolean
  readonly streamUsage?: boolean
  readonly seed?: number
  readonly choices?: number
  readonly responseFormat?: ResponseFormat
  readonly reasoning?: Reasoning
  readonly verbosity?: string
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
  /** An id for the person on whose behalf the host asks. */
  readonly user?: string
}

/** How much a model is to think: by effort, by a budget in tokens, or not at all. */
export interface Reasoning {
  readonly effort?: string
  readonly budgetTokens?: number
  readonly isOff?: boolean
}

/** What an answer must look like. */
export type ResponseFormat =
  | { readonly type: 'text' | 'json' }
  | { readonly type: 'json-schema'; readonly schema: unknown; readonly name?: string; readonly strict?: boolean }

/** A message of the conversation. Results of tools are messages of the user's. */
export interface NeutralMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant'
  readonly parts: readonly Part[]
}

/** A tool the model may call. */
export interface NeutralTool {
  readonly name: string
  readonly description?: string
  readonly inputSchema?: unknown
  readonly strict?: boolean
}

/** Text. */
export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

/** Where the content of a picture or a document is: behind a link, or here in base64. */
export type Source = { readonly url: string } | { readonly mediaType: string; readonly data: string }

/** Something that a message holds. */
export type Part =
  | TextPart
  | { readonly type: 'refusal'; readonly text: string }
  | { readonly type: 'image'; readonly source: Source; readonly detail?: string }
  | { readonly type: 'audio'; readonly format: string; readonly data: string }
  | { readonly type: 'file'; readonly source: Source; readonly name?: string }
  /** The arguments are kept as the bytes the model wrote. */
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string; readonly arguments: string }
  | {
      readonly type: 'tool-result'
      readonly id: string
      readonly parts: readonly Part[]
      readonly isError?: boolean
    }
  | ReasoningPart

/** What a model thought. Only the provider that made it can read its proof, which the next turn has to bring back. */
export interface ReasoningPart {
  readonly type: 'reasoning'
  /** Empty where the provider keeps it to itself. */
  readonly text: string
  readonly proof?: Proof
}

/** A signature, or thoughts in cipher: opaque, and bound to whose it is. */
export interface Proof {
  /** The dialect of the provider that made it. */
  readonly of: string
  readonly kind: 'signature' | 'cipher'
  readonly data: string
  /** The provider's own id of the thought, where it has one. */
  readonly id?: string
}

/** Why a model stopped. */
export type StopReason = 'stop' | 'stop-sequence' | 'length' | 'tool-calls' | 'filter' | 'refusal' | 'pause'

/** A whole answer. */
export interface NeutralAnswer {
  readonly id: string
  readonly model: string
  readonly parts: readonly Part[]
  readonly stop: StopReason
  readonly stopSequence?: string
  /** Undefined where the provider did not say. */
  readonly usage: Usage | undefined
}

/** The beginning of a part of a streamed answer. */
export type OpenedPart =
  | { readonly type: 'text' | 'refusal' }
  /** With the provider's own id of the thought, where that is known before its proof. */
  | { readonly type: 'reasoning'; readonly id?: string }
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string }

/**
 * A step of a streamed answer. Parts come one after the other, never one inside another: each is opened, filled and
 * closed before the next.
 */
export type StreamStep =
  /** With what was used, where that is known from the start. */
  | { readonly type: 'start'; readonly id: string; readonly model: string; readonly usage?: Usage }
  | { readonly type: 'open'; readonly part: OpenedPart }
  | { readonly type: 'delta'; readonly text: string }
  | { readonly type: 'proof'; readonly proof: Proof }
  | { readonly type: 'close' }
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'stop'; readonly reason: StopReason; readonly sequence?: string }
  | { readonly type: 'end' }
