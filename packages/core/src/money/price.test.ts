import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { noUsage } from '../reply.ts'
import { type PriceSettings, affordableOutputTokens, boundNanoUsd, costNanoUsd, priceOf, pricesFor } from './price.ts'

const unit = (settings: PriceSettings) => priceOf(settings).base
const usd = fc.integer({ min: 0, max: 200_000_000 }).map((micro) => micro / 1e6)
const classes = {
  input: usd,
  output: usd,
  cachedInput: fc.option(usd, { nil: undefined }),
  cacheWrite: fc.option(usd, { nil: undefined }),
  longCacheWrite: fc.option(usd, { nil: undefined }),
  reasoning: fc.option(usd, { nil: undefined }),
}
const price = fc
  .record({
    ...classes,
    tiers: fc.array(fc.record({ aboveInputTokens: fc.integer({ min: 1, max: 300_000 }), ...classes }), {
      maxLength: 3,
    }),
  })
  .map((settings) => priceOf(settings))
const tokens = fc.integer({ min: 0, max: 2_000_000 })

describe('a cost', () => {
  it('is exact, and rounded up once for all classes together', () => {
    const prices = { input: 1, cachedInput: 1, cacheWrite: 1, output: 1, reasoning: 1 }
    expect(costNanoUsd(noUsage, prices)).toBe(0)
    expect(costNanoUsd({ ...noUsage, inputTokens: 1 }, prices)).toBe(1)
    expect(
      costNanoUsd(
        { inputTokens: 200, cachedInputTokens: 200, cacheWriteTokens: 200, outputTokens: 200, reasoningTokens: 200 },
        prices,
      ),
    ).toBe(1)
    expect(costNanoUsd({ ...noUsage, inputTokens: 1_001 }, prices)).toBe(2)
  })

  it('counts each class at its own price', () => {
    const prices = unit({ input: 1, cachedInput: 0.1, cacheWrite: 1.25, output: 4, reasoning: 5 })
    const usage = {
      inputTokens: 1_000,
      cachedInputTokens: 2_000,
      cacheWriteTokens: 400,
      outputTokens: 10,
      reasoningTokens: 20,
    }
    expect(costNanoUsd(usage, prices)).toBe(1_000_000 + 200_000 + 500_000 + 40_000 + 100_000)
  })

  it('is exact beyond 2^53 pico-USD', () => {
    const prices = unit({ input: 75.000_001, output: 0 })
    expect(costNanoUsd({ ...noUsage, inputTokens: 999_999_999 }, prices)).toBe(
      Number((999_999_999n * 75_000_001n + 999n) / 1_000n),
    )
  })

  it('is rounded up for the last of 2^53 pico-USD, which a float drops', () => {
    const usage = { ...noUsage, inputTokens: 9_007_199_254_741, outputTokens: 1 }
    const prices = { input: 1_000, cachedInput: 0, cacheWrite: 0, output: 1, reasoning: 0 }
    expect(costNanoUsd(usage, prices)).toBe(9_007_199_254_742)
  })

  it('takes the tier of the whole input, whatever its classes', () => {
    const tiered = priceOf({
      input: 1.25,
      output: 10,
      tiers: [
        { aboveInputTokens: 500_000, input: 5, output: 30 },
        { aboveInputTokens: 200_000, input: 2.5, output: 15 },
      ],
    })
    expect([200_000, 200_001, 500_000, 500_001].map((input) => pricesFor(tiered, input).input / 1e6)).toEqual([
      1.25, 2.5, 2.5, 5,
    ])
  })

  it('counts cached input once (LiteLLM #14849: $0.1849, not $0.7642)', () => {
    const prices = unit({ input: 1.25, cachedInput: 0.125, output: 10 })
    const usage = { ...noUsage, inputTokens: 25_000, cachedInputTokens: 1_149_200, outputTokens: 1_000 }
    expect(costNanoUsd(usage, prices)).toBe(31_250_000 + 143_650_000 + 10_000_000)
  })

  it('counts what is read from a cache at its own price beside the rest (LiteLLM #9812: $0.054, not $0.091)', () => {
    const prices = unit({ input: 3, cachedInput: 0.3, cacheWrite: 3.75, output: 15 })
    const usage = { ...noUsage, inputTokens: 4, cachedInputTokens: 12_304, cacheWriteTokens: 12_304, outputTokens: 277 }
    expect(costNanoUsd(usage, prices)).toBe(12_000 + 3_691_200 + 46_140_000 + 4_155_000)
  })
})

describe('what is written to a cache for an hour', () => {
  const usage = { ...noUsage, inputTokens: 2, cacheWriteTokens: 10, longCacheWriteTokens: 4 }
  const settings = { input: 3, cacheWrite: 3.75, output: 15 }

  it('costs its own price, beside what is written for less', () => {
    expect(costNanoUsd(usage, unit({ ...settings, longCacheWrite: 6 }))).toBe(6_000 + 6 * 3_750 + 4 * 6_000)
    const huge = { ...usage, cacheWriteTokens: 2 ** 31, longCacheWriteTokens: 2 ** 30 }
    expect(costNanoUsd(huge, unit({ ...settings, longCacheWrite: 6 }))).toBe(6_000 + 2 ** 30 * 9_750)
  })

  it('costs what any other write does where only that is known', () => {
    expect(costNanoUsd(usage, unit(settings))).toBe(6_000 + 37_500)
  })
})

describe('a bound', () => {
  it('is never below the cost of any usage within it', () => {
    fc.assert(
      fc.property(
        price,
        tokens,
        tokens,
        fc.array(tokens, { minLength: 4, maxLength: 4 }),
        (of, input, output, cuts) => {
          const [a, b, c, d] = cuts as [number, number, number, number]
          const [low, high] = [Math.min(a % (input + 1), b % (input + 1)), Math.max(a % (input + 1), b % (input + 1))]
          const reasoning = d % (output + 1)
          const usage = {
            inputTokens: low,
            cachedInputTokens: high - low,
            cacheWriteTokens: c % (input - high + 1),
            outputTokens: output - reasoning,
            reasoningTokens: reasoning,
            longCacheWriteTokens: b % ((c % (input - high + 1)) + 1),
          }
          expect(costNanoUsd(usage, pricesFor(of, input))).toBeLessThanOrEqual(
            boundNanoUsd({ inputTokens: input, outputTokens: output }, of),
          )
        },
      ),
    )
  })

  it('is a number that a store can count, however large the request says it is', () => {
    expect(boundNanoUsd({ inputTokens: 2 ** 21, outputTokens: 2 ** 62 }, priceOf({ input: 75, output: 600 }))).toBe(
      Number.MAX_SAFE_INTEGER,
    )
  })
})

describe('the output tokens that an amount pays for', () => {
  it('never cost more than the amount, and one more would', () => {
    const amount = fc.oneof(fc.integer({ min: 0, max: 10 ** 9 }), fc.maxSafeInteger().map(Math.abs))
    const costly = price.filter(({ base }) => base.output > 0)
    fc.assert(
      fc.property(costly, amount, tokens, (of, nanoUsd, inputTokens) => {
        const costOf = (outputTokens: number) => boundNanoUsd({ inputTokens, outputTokens }, of)
        const outputTokens = Math.min(affordableOutputTokens(nanoUsd, inputTokens, of), 2 ** 31)
        expect(outputTokens === 0 || costOf(outputTokens) <= nanoUsd).toBe(true)
        expect(outputTokens === 2 ** 31 || costOf(outputTokens + 1) > nanoUsd).toBe(true)
      }),
    )
    expect(affordableOutputTokens(2 ** 53 - 1, 1, priceOf({ input: 0, output: 0.000_001 }))).toBeGreaterThan(2 ** 53)
  })

  it('are none where the input alone costs more, and without end where output is free', () => {
    expect(affordableOutputTokens(-5, 0, priceOf({ input: 1, output: 1 }))).toBe(0)
    expect(affordableOutputTokens(1, 1_000_000, priceOf({ input: 1, output: 1 }))).toBe(0)
    expect(affordableOutputTokens(1, 10, priceOf({ input: 0, output: 0 }))).toBe(Infinity)
  })
})
