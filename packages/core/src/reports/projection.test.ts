import { describe, expect, it } from 'vitest'
import { priceOf } from '../money/price.ts'
import { project } from './projection.ts'

const models = Object.entries({
  'gpt-4.1': { input: 8, output: 24 },
  'claude-sonnet-4.5': { input: 15, output: 75 },
  'gemini-2.5-flash': { input: 2.5, output: 10 },
  'deepseek-v3.2': { input: 0.42, output: 2.1 },
}).map(([name, settings]) => ({ name, prices: priceOf(settings).base }))
const traffic = { requests: 1_000_000, inputTokens: 1_000_000_000, cachedInputTokens: 0, outputTokens: 0 }

describe('a projection', () => {
  it('of a million requests of 1000 tokens is 6,480 USD spread evenly, and 2,427 by weight (requirements, D7)', () => {
    const shares = { 'deepseek-v3.2': 60, 'gemini-2.5-flash': 25, 'gpt-4.1': 10, 'claude-sonnet-4.5': 5 }
    const even = Object.fromEntries(models.map(({ name }) => [name, 1]))
    const projected = project(traffic, models, [
      { strategy: 'round-robin', shares: even },
      { strategy: 'weighted', shares },
    ])
    expect(projected).toMatchObject([
      { monthlyUsd: '6480', usdPerMillionTokens: '6.48', savingsUsd: '0', savingsShare: 0 },
      { monthlyUsd: '2427', usdPerMillionTokens: '2.427', savingsUsd: '4053' },
    ])
    expect(projected[1]!.savingsShare).toBeCloseTo(4053 / 6480)
  })

  it('counts each class of tokens at its own price', () => {
    const mixed = { requests: 1, inputTokens: 1_000_000, cachedInputTokens: 2_000_000, outputTokens: 500_000 }
    const one = [{ name: 'a', prices: priceOf({ input: 8, cachedInput: 2, output: 24 }).base }]
    expect(project(mixed, one, [{ strategy: 'a', shares: { a: 1 } }])).toMatchObject([{ monthlyUsd: '24' }])
  })

  it('never takes a model for free whose price nobody knows', () => {
    const shares = { 'gpt-4.1': 1, llama: 1 }
    expect(() => project(traffic, models, [{ strategy: 'even', shares }])).toThrow('No price is known for "llama"')
    expect(project(traffic, models, [{ strategy: 'one', shares: { ...shares, llama: 0 } }])).toMatchObject([
      { monthlyUsd: '8000' },
    ])
  })

  it('is nothing where there is nothing', () => {
    const none = { requests: 0, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 }
    expect(project(none, models, [{ strategy: 'none', shares: {} }])).toMatchObject([
      { monthlyUsd: '0', usdPerMillionTokens: '0', savingsShare: 0 },
    ])
  })
})
