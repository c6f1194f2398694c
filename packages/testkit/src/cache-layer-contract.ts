import { hash } from 'node:crypto'
import { type AnswerLayer, createRouter, openaiCompatible, readBody } from '@signalbox/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakeClock } from './fake-clock.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedDispatcher } from './simulated-dispatcher.ts'

/** An answer as layers keep it. */
type Answer = Parameters<AnswerLayer['set']>[1]

/** What a cache layer's contract is tried with. */
export interface CacheLayerContractOptions {
  /** Waits until what was set can be got, where `set` itself does not. @default nothing */
  readonly settle?: () => void | Promise<void>
  /**
   * Changes a byte of what is kept under a key, where it is kept.
   *
   * @default it is not tried what comes of that
   */
  readonly damage?: (key: string) => void | Promise<void>
}

/**
 * The tests that every layer of the cache passes: it gives what was set under a key, with every field and byte of it, or
 * nothing; never what somebody did to those bytes since, nor what was changed where it is kept; it stands being asked for
 * many keys at once; it serves routers that share it, plain answers and streams; and it ends. Call it in a test file; it
 * declares a suite.
 *
 * @param name what the suite is called by
 * @param make makes a layer, empty or not
 * @example
 * cacheLayerContract('redis', () => redisLayer('redis://localhost'))
 */
export function cacheLayerContract(
  name: string,
  make: () => AnswerLayer | Promise<AnswerLayer>,
  { settle, damage }: CacheLayerContractOptions = {},
): void {
  describe(`cache layer contract: ${name}`, () => {
    let layer: AnswerLayer
    beforeEach(async () => {
      layer = await make()
    })
    afterEach(() => layer.close?.())

    const get = async (key: string) => (await layer.get(key)) ?? undefined
    const set = async (key: string, answer: Answer) => {
      await layer.set(key, answer)
      await settle?.()
    }

    it('gives what was set last under a key, and nothing under others', async () => {
      const [one, other, unknown] = keys(3)
      await set(one!, answerOf({ body: Buffer.from('first') }))
      await set(other!, answerOf({ body: Buffer.from('other') }))
      await set(one!, answerOf({ body: Buffer.from('last') }))
      expect(written(await get(one!))).toEqual(written(answerOf({ body: Buffer.from('last') })))
      expect(written(await get(other!))).toEqual(written(answerOf({ body: Buffer.from('other') })))
      expect(await get(unknown!)).toBeUndefined()
    })

    it('tells keys apart that only differ in their case', async () => {
      const [key] = keys(1)
      await set(`${key}Aa`, answerOf({ body: Buffer.from('Aa') }))
      await set(`${key}aA`, answerOf({ body: Buffer.from('aA') }))
      expect(Buffer.from((await get(`${key}Aa`))!.body).toString()).toBe('Aa')
    })

    it('gives every field and byte as it was', async () => {
      for (const answer of drawnAnswers(50)) {
        const [key] = keys(1)
        await set(key!, answer)
        expect(written(await get(key!))).toEqual(written(answer))
      }
    })

    it('gives bytes that nobody else can change', async () => {
      const [key] = keys(1)
      const given = Buffer.from('as it was')
      const before = written(answerOf({ body: Buffer.from(given) }))
      await set(key!, answerOf({ body: given }))
      given.fill('x')
      const got = await get(key!)
      expect(written(got)).toEqual(before)
      got!.body.fill(0)
      // One whose bytes are checked may have lost it.
      expect([written(undefined), before]).toContainEqual(written(await get(key!)))
    })

    it('gives an answer of a megabyte whole or not at all', async () => {
      const [key] = keys(1)
      const answer = answerOf({ body: Buffer.alloc(1_000_000, 'long ') })
      await set(key!, answer)
      const got = await get(key!)
      expect([undefined, digest(answer)]).toContain(got && digest(got))
    })

    it('stands being asked for many keys at once', async () => {
      const many = keys(100)
      const given = many.map((key) => answerOf({ body: Buffer.from(`for ${key}`) }))
      await Promise.all(many.map(async (key, index) => layer.set(key, given[index]!)))
      await settle?.()
      const got = await Promise.all(many.map(get))
      expect(got.map(written)).toEqual(given.map(written))
    })

    it('serves routers that share it, plain answers and streams', async () => {
      const [mark] = keys(1)
      const said: string[] = []
      for (const outcome of ['miss', 'hit']) {
        for (const stream of [false, true]) {
          const { status, text } = await askByRouter({ content: `${mark} ${stream}`, stream })
          expect([stream, status]).toEqual([stream, outcome])
          said.push(text)
        }
      }
      expect(said.slice(2)).toEqual(said.slice(0, 2))
    })

    /** Asks a router of its own: what it has in memory serves no other. */
    async function askByRouter({ content, stream }: { content: string; stream: boolean }) {
      const clock = createFakeClock({ wallTime: startMs, turns: 1 })
      const dispatcher = createSimulatedDispatcher({ clock, latencyMs: { p50: 1, p99: 1 } })
      const model = openaiCompatible({ baseUrl: 'http://a.invalid/v1', apiKey: 'any', dispatcher })
      const kept: Promise<void>[] = []
      // It is not the router that ends the layer.
      const shared: AnswerLayer = {
        name: layer.name,
        get: (key) => layer.get(key),
        set: (key, answer) => void kept.push(set(key, answer)),
      }
      const router = createRouter({ models: { a: model }, clock, cache: { layers: [shared] } })
      const warnings: string[] = []
      router.on('warning', ({ message }) => warnings.push(message))
      const body = { model: 'a', temperature: 0, stream, messages: [{ role: 'user', content }] }
      const asked = router.handle({ body }).then(async (reply) => ({
        status: reply.headers['x-signalbox-cache'],
        text: Buffer.from(await readBody(reply)).toString(),
      }))
      // The model's time is moved here; the layer takes its own.
      const moving = setInterval(() => clock.advanceSync(1))
      const answer = await asked.finally(() => clearInterval(moving))
      await router.close({ timeoutMs: 0 })
      await Promise.all(kept)
      expect(warnings).toEqual([])
      return answer
    }

    it('says how much it holds, where it says it', async () => {
      const before = layer.size?.()
      await set(keys(1)[0]!, answerOf({ body: Buffer.from('one more') }))
      const after = layer.size?.()
      if (!before || !after) return
      expect(after.entries).toBeGreaterThan(before.entries)
      expect(after.bytes).toBeGreaterThan(before.bytes)
      expect(after.bytes).toBeLessThanOrEqual(after.maximumBytes)
    })

    if (!damage) return
    it('has no answer under a key whose bytes were changed where they are kept', async () => {
      const [key] = keys(1)
      await set(key!, answerOf({ body: Buffer.from('as it was') }))
      await damage(key!)
      expect(await get(key!).catch(() => undefined)).toBeUndefined()
    })
  })
}

const startMs = 1_700_000_000_000
let made = 0

/** Keys like those of the cache, none of which came before. */
const keys = (count: number) =>
  Array.from({ length: count }, () => `${process.pid}-${startMs}-${++made}-`.padEnd(43, 'k'))

const noUsage = { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 }

function answerOf(parts: Partial<Answer>): Answer {
  return {
    dialect: 'openai-chat',
    model: 'a',
    headers: { 'content-type': 'application/json' },
    streamed: false,
    tellsUsage: false,
    body: new Uint8Array(0),
    usage: noUsage,
    storedAt: startMs,
    costNanoUsd: 0,
    tookMs: 1.5,
    ...parts,
  }
}

const dialects = ['openai-chat', 'openai-responses', 'openai-embeddings', 'anthropic-messages'] as const
const words = ['', 'a', 'Züge ', '🚂', '\u0000', '"\\', "'; drop table", '\r\n', '__proto__', '\uFEFF']

/** Answers of all kinds, the same each time. */
function drawnAnswers(count: number): Answer[] {
  const random = seededRandom(5)
  const below = (end: number) => Math.floor(random() * end)
  const draw = <T>(items: readonly T[]): T => items[below(items.length)]!
  const text = () => Array.from({ length: below(4) }, () => draw(words)).join('')
  const tokens = () => (random() < 0.3 ? 0 : below(2 ** 40))
  return Array.from({ length: count }, () => ({
    dialect: draw(dialects),
    model: text(),
    headers: Object.fromEntries(['content-type', 'x-one', 'x-other'].slice(below(4)).map((name) => [name, text()])),
    streamed: random() < 0.5,
    tellsUsage: random() < 0.5,
    body: Uint8Array.from({ length: draw([0, 1, 100, 3_000]) }, () => below(256)),
    usage: {
      inputTokens: tokens(),
      cachedInputTokens: tokens(),
      cacheWriteTokens: tokens(),
      outputTokens: tokens(),
      reasoningTokens: tokens(),
      ...(random() < 0.3 && { longCacheWriteTokens: tokens() }),
    },
    storedAt: random() * 2e12,
    costNanoUsd: below(Number.MAX_SAFE_INTEGER),
    tookMs: random() * 1e6,
  }))
}

/** An answer as it can be compared, whatever its bytes stand in. */
function written(answer: Answer | undefined) {
  if (!answer) return { body: undefined, head: undefined }
  const { body, ...head } = answer
  return { body: Buffer.from(body).toString('latin1'), head: JSON.parse(JSON.stringify(head)) as object }
}

const digest = ({ body }: Answer) => hash('sha256', body)
