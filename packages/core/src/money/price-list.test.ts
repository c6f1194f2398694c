import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { noUsage } from '../reply.ts'
import { costNanoUsd, pricesFor } from './price.ts'
import { listedPrice, priceListVersion } from './price-list.ts'

const openai = 'https://api.openai.com/v1'
const google = 'https://generativelanguage.googleapis.com/v1beta/openai'
const anthropic = 'https://api.anthropic.com/v1'
const january = Date.UTC(2026, 0, 15)
const look = (model: string, baseUrl = openai, timeMs = january) => listedPrice({ model, baseUrl, timeMs })

describe('the price list', () => {
  it('is the version that stands in the entries it prices', () => {
    const main = createRequire(import.meta.url).resolve('@pydantic/genai-prices')
    const file = path.join(main, '../../package.json')
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    expect(priceListVersion).toBe(`genai-prices ${version}`)
    expect(look('gpt-4.1')?.source).toBe(priceListVersion)
  })

  it('knows every class of a model, in pico-USD', () => {
    expect(look('gpt-4.1')?.base).toEqual({
      input: 2_000_000,
      cachedInput: 500_000,
      cacheWrite: 2_000_000,
      output: 8_000_000,
      reasoning: 8_000_000,
    })
    expect(look('claude-sonnet-4-20250514', anthropic)?.base).toMatchObject({
      input: 3_000_000,
      cachedInput: 300_000,
      cacheWrite: 3_750_000,
    })
  })

  it('knows tiers by the size of the input', () => {
    const gemini = look('gemini-2.5-pro', google)!
    expect(pricesFor(gemini, 200_000)).toMatchObject({ input: 1_250_000, cachedInput: 125_000, output: 10_000_000 })
    expect(pricesFor(gemini, 200_001)).toMatchObject({ input: 2_500_000, cachedInput: 250_000, output: 15_000_000 })
  })

  it('knows what it costs to write to a cache for an hour', () => {
    const sonnet = look('claude-sonnet-4-5', anthropic)!
    expect(pricesFor(sonnet, 200_000)).toMatchObject({ cacheWrite: 3_750_000, longCacheWrite: 6_000_000 })
    expect(pricesFor(sonnet, 200_001)).toMatchObject({ cacheWrite: 7_500_000, longCacheWrite: 12_000_000 })
  })

  it('gives the price of the day and of the hour', () => {
    expect(look('o3', openai, Date.UTC(2025, 4, 1))?.base.input).toBe(10_000_000)
    expect(look('o3')?.base.input).toBe(2_000_000)
    const deepseek = 'https://api.deepseek.com/v1'
    expect(look('deepseek-chat', deepseek, Date.UTC(2025, 5, 1, 17))?.base.input).toBe(135_000)
    expect(look('deepseek-chat', deepseek, Date.UTC(2025, 5, 1, 10))?.base.input).toBe(270_000)
  })

  it('does not guess at what it has no whole price for', () => {
    expect(look('nothing')).toBeUndefined()
    expect(look('gpt-4.1', 'http://127.0.0.1:8080/v1')).toBeUndefined()
    expect(look('text-embedding-3-small')).toBeUndefined()
    expect(look('sonar', 'https://api.perplexity.ai')).toBeUndefined()
  })

  it('knows the whole price of an embedding, which has no output', () => {
    const query = { model: 'text-embedding-3-small', baseUrl: openai, timeMs: january }
    const price = listedPrice({ ...query, surface: 'embeddings' })!
    expect(costNanoUsd({ ...noUsage, inputTokens: 1_000_000 }, price.base)).toBe(20_000_000)
    expect(listedPrice({ ...query, surface: 'chat' })).toBeUndefined()
  })

  it('prices a cache hit at Gemini once', () => {
    const gemini = look('gemini-2.5-flash', google)!
    const usage = { ...noUsage, inputTokens: 1_000, cachedInputTokens: 99_000, outputTokens: 100 }
    expect(costNanoUsd(usage, pricesFor(gemini, 100_000))).toBe(300_000 + 2_970_000 + 250_000)
  })
})
