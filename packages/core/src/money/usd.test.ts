import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nanoUsdOf, picoUsdPerToken, usdOf } from './usd.ts'

describe('US dollars', () => {
  it('become whole nano-USD exactly as they were said, and never more', () => {
    const cases: [number, bigint][] = [
      [0, 0n],
      [0.1, 100_000_000n],
      [0.3, 300_000_000n],
      [123_456.78, 123_456_780_000_000n],
      [1_000_000_000.1, 1_000_000_000_100_000_000n],
      [1e-9, 1n],
      [7e-9, 7n],
      [1e-10, 0n],
      [0.999_999_999_999_9, 999_999_999n],
      [1e21, 10n ** 30n],
    ]
    for (const [usd, nano] of cases) expect([usd, nanoUsdOf(usd)]).toEqual([usd, nano])
  })

  it('come back from nano-USD as they were', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (micro) => {
        expect(nanoUsdOf(micro / 1e6)).toBe(BigInt(micro) * 1_000n)
      }),
    )
  })

  it('are written as an exact decimal', () => {
    expect(usdOf(1_234_500_000n)).toBe('1.2345')
    expect(usdOf(0)).toBe('0')
    expect(usdOf(-1n)).toBe('-0.000000001')
    expect(usdOf(2n ** 63n)).toBe('9223372036.854775808')
  })

  it('per million tokens are whole pico-USD per token', () => {
    expect(picoUsdPerToken(0.1)).toBe(100_000)
    expect(picoUsdPerToken(1.1)).toBe(1_100_000)
    expect(picoUsdPerToken(0.000_001)).toBe(1)
  })
})
