import { Bag } from './bag.ts'
import { denseOf } from './dense.ts'
import { type TokenHandler, tokenise } from './tokenise.ts'
import { windowOf } from './window.ts'

/** What is judged: a text alone, or with what stands around it. */
export type Prompt = string | PromptParts

/** A prompt with what stands around it. */
export interface PromptParts {
  readonly text: string
  /** How many tools the model may call. @default 0 */
  readonly tools?: number
  /** How many messages came before. @default 0 */
  readonly turns?: number
}

/** A prompt as numbers: a few hashed features of length 1 together, and the dense ones. */
export interface Features {
  /** Buckets, each once. */
  readonly buckets: Uint16Array
  /** The value in each of these buckets. */
  readonly values: Float32Array
  readonly dense: Float32Array
}

/**
 * Reads a prompt: hashed words, pairs of words and character 5-grams, and the dense features. Takes any
 * input: what has no text is an empty prompt. Case and white space make no difference.
 */
export function featuresOf(prompt: Prompt, bucketCount: number): Features {
  const { text, tools = 0, turns = 0 } = partsOf(prompt)
  const window = windowOf(text)
  const bag = bagOf(bucketCount)
  const tally = tokenise(window.text, bag)
  const dense = denseOf(tally, { length: window.length, tools, turns })
  return { ...bag.take(), dense }
}

/** The parts of a prompt, whatever came. */
function partsOf(prompt: Prompt): PromptParts {
  if (typeof prompt === 'string') return { text: prompt }
  return typeof prompt?.text === 'string' ? prompt : { text: '' }
}

let shared: Bag | undefined

/** Reading is synchronous, so all of it may use one bag. */
function bagOf(bucketCount: number): Bag & TokenHandler {
  if (shared?.bucketCount !== bucketCount) shared = new Bag(bucketCount)
  return shared
}
