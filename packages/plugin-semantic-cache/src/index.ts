import {
  type CacheLayer,
  type Call,
  type Clock,
  type Plugin,
  type StoredAnswer,
  cacheLayer,
  definePlugin,
} from '@signalbox/core'
import { z } from 'zod'
import { NearestNeighbours, directionOf } from './nearest.ts'

/** Says what a text means, as a vector: texts that mean the same point in the same direction. */
export type Embed = (text: string, call: Call) => ArrayLike<number> | Promise<ArrayLike<number>>

const options = z.strictObject({
  embed: z.custom<Embed>((value) => typeof value === 'function', 'expected a function'),
  threshold: z.number().min(0).max(1).default(0.95),
  ttlMs: z.number().positive().default(3_600_000),
  maximumAnswers: z.int().positive().default(1_000),
  maximumTenants: z.int().positive().default(1_000),
  timeoutMs: z.number().positive().default(2_000),
})

/**
 * Answers a question with the answer to one that meant the same. Only the last message may differ: the caller, the route,
 * all messages before it, tools and parameters must be equal.
 *
 * Options: `embed`; `threshold`, the least cosine of two questions (0.95); `ttlMs`, how long an answer is given (an hour);
 * `maximumAnswers` for each caller and conversation, and `maximumTenants` of those; `timeoutMs`, how long the embedder may
 * take (2 s).
 *
 * @example
 * createRouter({ models, plugins: [semanticCache({ embed: (text) => embedder.embed(text), threshold: 0.97 })] })
 */
const semanticCache = definePlugin({
  name: 'semantic-cache',
  options,
  create({ embed, threshold, ttlMs, maximumAnswers, maximumTenants, timeoutMs }): Omit<Plugin, 'name'> {
    const tenants = new Map<string, NearestNeighbours<StoredAnswer>>()
    const directions = new WeakMap<Call, Float32Array>()
    let clock: Clock

    function answersOf(call: Call): NearestNeighbours<StoredAnswer> {
      const key = surroundingsOf(call)
      const answers = tenants.get(key) ?? new NearestNeighbours(maximumAnswers)
      // The tenant that was not there for longest is the first to go.
      tenants.delete(key)
      tenants.set(key, answers)
      if (tenants.size > maximumTenants) tenants.delete(tenants.keys().next().value!)
      return answers
    }

    async function directionFor(call: Call): Promise<Float32Array | undefined> {
      const known = directions.get(call)
      const question = questionOf(call)
      if (known || question === undefined) return known
      const direction = directionOf(await embed(question, call))
      directions.set(call, direction)
      return direction
    }

    const layer: CacheLayer = {
      async get(call) {
        const direction = await directionFor(call)
        return direction && answersOf(call).find(direction, threshold, clock.now() - ttlMs)
      },
      async set(call, answer) {
        const direction = await directionFor(call)
        if (direction) answersOf(call).add(direction, answer, clock.now())
      },
    }
    return {
      ...cacheLayer('semantic-cache', layer, { timeoutMs }),
      version: `1 ${threshold}`,
      setup: (services) => void (clock = services.clock),
    }
  },
})

export default semanticCache

/** What the caller asks last; undefined where it is not text alone, or no question: what a tool gave is not to be guessed. */
function questionOf({ surface, request: { body, messages, modality } }: Call): string | undefined {
  const last = messages.at(-1)
  if (surface !== 'chat' || last?.role !== 'user' || modality.size > 1 || last.text === '') return undefined
  const { content } = Object(lastOf(body['messages'] ?? body['input'])) as { content?: unknown }
  return !Array.isArray(content) || content.every(isText) ? last.text : undefined
}

const lastOf = (list: unknown): unknown => (Array.isArray(list) ? list.at(-1) : undefined)
const isText = (part: unknown) => ['text', 'input_text'].includes((Object(part) as { type?: string }).type ?? '')

/** What is in a message besides its words: whose it is, and which call of a tool it answers. */
function withoutWords(message: unknown): string {
  return JSON.stringify(message, (key, value: unknown) => (words.has(key) && typeof value === 'string' ? '' : value))
}
const words: ReadonlySet<string> = new Set(['content', 'text'])

/** Everything but the question, and whether the answer comes as a stream. */
function surroundingsOf({ identity, route, dialect, labels, madeBy, headers, request: { body } }: Call): string {
  const { messages, input, stream: _stream, stream_options: _options, ...parameters } = body
  const { traceparent: _parent, tracestate: _state, ...asked } = headers
  const around = [messages, input].map((list) => Array.isArray(list) && [list.slice(0, -1), withoutWords(list.at(-1))])
  const who = [sorted(identity), sorted(labels), madeBy]
  return JSON.stringify([who, route, dialect, sorted(asked), around, sorted(parameters)])
}

/** The fields of an object, in one order whatever its own. */
const sorted = (fields: object) => Object.entries(fields).toSorted(([one], [other]) => (one < other ? -1 : 1))
