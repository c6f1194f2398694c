import type { StopReason } from '../dialects/neutral.ts'
import type { Call } from '../types.ts'

/** An answer, whole, as a verifier reads it. */
export interface VerifiedAnswer {
  /** The model that gave it, by its name in the configuration. */
  readonly model: string
  /** All its text, without what the model thought; empty where it only calls tools. */
  readonly text: string
  /** The arguments are as the model wrote them: JSON, or not. */
  readonly toolCalls: readonly { readonly name: string; readonly arguments: string }[]
  /** Why the model stopped. */
  readonly stop: StopReason
}

/** What a verifier says of an answer. */
export interface Verdict {
  readonly accepted: boolean
  /** In a few words, for the record of the call. */
  readonly reason: string
}

/** Says whether an answer is good enough. */
export type Check = (answer: VerifiedAnswer) => Verdict | Promise<Verdict>

/** What of a call is changed where a model is asked for something besides. */
export type Aside = Partial<Pick<Call, 'request' | 'dialect' | 'headers'>>

/**
 * Asks a model of the route besides, by what its provider is asked instead of the call, and waits for all of its answer. It
 * is charged to the call like any attempt.
 */
export type AskAside = (model: string, aside?: (provider: string) => Aside) => Promise<VerifiedAnswer>

/** Decides whether the answer of a cheap model is good enough. */
export interface Verifier {
  readonly name: string
  /** Whether the call gives it something to verify an answer by. @default always */
  appliesTo?(call: Call): boolean
  /** Called right before the cheap model is asked, so that others can be asked at the same time. */
  prepare(call: Call, ask: AskAside): Check
}

export const accepted = (reason: string): Verdict => ({ accepted: true, reason })
export const rejected = (reason: string): Verdict => ({ accepted: false, reason })
