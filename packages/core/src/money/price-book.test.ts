import { describe, expect, it } from 'vitest'
import { priceListVersion } from './price-list.ts'
import { type PricedModel, type UnknownPricePolicy, createPriceBook } from './price-book.ts'

const openai = 'https://api.openai.com/v1'
const listed = { name: 'listed', model: 'gpt-4.1', baseUrl: openai }
const stranger = { name: 'stranger', model: 'no-such-model', baseUrl: 'http://127.0.0.1/v1' }
const free = { name: 'free', model: 'own', baseUrl: 'http://127.0.0.1/v1', price: false as const }
const dear = { name: 'dear', model: 'gpt-4.1', baseUrl: openai, price: { input: 10, output: 20, cacheWrite: 12 } }
const now = Date.UTC(2026, 0, 15)
const book = (policy: UnknownPricePolicy, ...models: readonly PricedModel[]) => createPriceBook(models, policy)

describe('a price book', () => {
  it("takes the configuration's price before the list's", () => {
    expect(book('reject', dear).priceOf('dear', now)).toMatchObject({
      base: { input: 10_000_000, cachedInput: 10_000_000, cacheWrite: 12_000_000, reasoning: 20_000_000 },
      source: 'configuration',
    })
    expect(book('reject', listed).priceOf('listed', now)?.source).toBe(priceListVersion)
    expect(book('reject', free).priceOf('free', now)?.base.output).toBe(0)
  })

  it('knows no price where it is to reject the unknown', () => {
    expect(book('reject', stranger, dear).priceOf('stranger', now)).toBeUndefined()
  })

  it('takes the dearest of each class for the unknown', () => {
    const tiered = {
      ...dear,
      name: 'tiered',
      price: { input: 1, output: 1, tiers: [{ aboveInputTokens: 5, input: 2, output: 99 }] },
    }
    const price = book('highest-known', stranger, dear, listed, tiered).priceOf('stranger', now)
    expect(price).toMatchObject({ base: { input: 10_000_000, output: 99_000_000 }, source: 'unknown: highest known' })
  })

  it('never takes the unknown for free, unless it is told to', () => {
    expect(book('highest-known', stranger).priceOf('stranger', now)).toBeUndefined()
    expect(book('highest-known', stranger, free).priceOf('stranger', now)).toBeUndefined()
    expect(book('free', stranger).priceOf('stranger', now)).toMatchObject({
      base: { input: 0, output: 0 },
      source: 'unknown: free',
    })
  })

  it('knows what an embedding costs, whatever is done with what is unknown', () => {
    const embedder = { name: 'embedder', model: 'text-embedding-3-small', baseUrl: openai }
    for (const policy of ['reject', 'highest-known', 'free'] as const) {
      const prices = book(policy, embedder, dear)
      expect(prices.priceOf('embedder', now, 'embeddings')).toMatchObject({
        base: { input: 20_000 },
        source: priceListVersion,
      })
      expect(prices.priceOf('embedder', now)?.source).not.toBe(priceListVersion)
    }
    expect(book('reject', stranger).priceOf('stranger', now, 'embeddings')).toBeUndefined()
  })

  it('looks up a listed price again when time has passed', () => {
    const prices = book('reject', { name: 'r1', model: 'deepseek-chat', baseUrl: 'https://api.deepseek.com/v1' })
    expect(prices.priceOf('r1', Date.UTC(2025, 5, 1, 10))?.base.input).toBe(270_000)
    expect(prices.priceOf('r1', Date.UTC(2025, 5, 1, 17))?.base.input).toBe(135_000)
  })
})
