import { type Call, type Clock, type Plugin, type StoredAnswer, cacheLayer, definePlugin } from '@signalbox/core'
import { z } from 'zod'
import { NearestNeighbours } from './nearest.ts'

/** Says what a text means, as a vector: texts that mean the same point in the same direction. */
export type Embed = (text: string, call: Call) => readonly number[] | Promise<readonly number[]>

const options = z.strictObject({
  embed: z.custom<Embed>((value) => typeof value === 'function', 'expected a function'),
  threshold: z.number().min(0).max(1).default(0.95),
  ttlMs: z.number().positive().default(3_600_000),
  maximumAnswers: z.int().positive().default(1_000),
  maximumTenants: z.int().positive().default(1_000),
})

/**
 * Answers a question with the answer to one that meant the same. Only the last message may differ: the caller, the route,
 * all messages before it, tools and parameters must be equal.
 *
 * Options: `embed`; `threshold`, the least cosine of two questions (0.95); `ttlMs`, how long an answer is given (an hour);
 * `maximumAnswers` for each caller and conversation, and `maximumTenants` of those.
 *
 * @example
 * createRouter({ models, plugins: [semanticCache({ embed: (text) => embedder.embed(text), threshold: 0.97 })] })
 */
const semanticCache = definePlugin({
  name: 'semantic-cache',
  options,
  create({ embed, threshold, ttlMs, maximumAnswers, maximumTenants }): Omit<Plugin, 'name'> {
    const tenants = new Map<string, NearestNeighbours<StoredAnswer>>()
    const vectors = new WeakMap<Call, readonly number[]>()
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

    const layer = cacheLayer('semantic-cache', {
      async get(call) {
        const question = questionOf(call)
        if (question === undefined) return undefined
        const vector = await embed(question, call)
        vectors.set(call, vector)
        return answersOf(call).find(vector, threshold, clock.now() - ttlMs)
      },
      set(call, answer) {
        const vector = vectors.get(call)
        if (vector) answersOf(call).add(vector, answer, clock.now())
      },
    })
    return { ...layer, setup: (services) => void (clock = services.clock) }
  },
})

export default semanticCache

/** What the caller asks last; undefined where it is not text alone. */
function questionOf({ request: { messages, modality } }: Call): string | undefined {
  const last = messages.at(-1)
  return last?.role === 'user' && modality.size <= 1 && last.text !== '' ? last.text : undefined
}

/** What is in a message besides its words: whose it is, and which call of a tool it answers. */
function withoutWords(message: unknown): string {
  return JSON.stringify(message, (key, value: unknown) => (words.has(key) && typeof value === 'string' ? '' : value))
}
const words: ReadonlySet<string> = new Set(['content', 'text'])

/** Everything but the question, and whether the answer comes as a stream. */
function surroundingsOf({ identity, route, dialect, request: { body } }: Call): string {
  const { messages, input, stream: _stream, stream_options: _options, ...parameters } = body
  const around = [messages, input].map((list) => Array.isArray(list) && [list.slice(0, -1), withoutWords(list.at(-1))])
  const { key, user, team, tier, tags } = identity
  return JSON.stringify([
    key,
    user,
    team,
    tier,
    tags,
    route,
    dialect,
    around,
    Object.keys(parameters)
      .toSorted()
      .map((name) => [name, parameters[name]]),
  ])
}
