import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRetryAfterMs } from './retry-after.ts'

const now = Date.UTC(2026, 10, 21, 7, 28, 0)
const parse = (headers: Record<string, string | string[] | undefined>) => parseRetryAfterMs(headers, now)

describe('a retry-after header', () => {
  it.each([
    ['1', 1_000],
    ['0', 0],
    ['1.5', 1_500],
    [' 20 ', 20_000],
    ['3600', 3_600_000],
    ['86400', 86_400_000],
    ['Sat, 21 Nov 2026 07:28:30 GMT', 30_000],
    ['Saturday, 21-Nov-26 07:29:00 GMT', 60_000],
    ['Sat Nov 21 07:28:05 2026', 5_000],
  ])('of "%s" asks for %i ms', (value, delayMs) => {
    expect(parse({ 'retry-after': value })).toEqual({ delayMs })
  })

  it.each(['Sat, 21 Nov 2026 07:28:00 GMT', 'Sun Nov  6 08:49:37 1994'])('of "%s" has passed: nothing', (value) => {
    expect(parse({ 'retry-after': value })).toEqual({})
  })

  it.each(['soon', '-5', '1e999', '1e3', '', ' ', 'NaN', 'Infinity', '0x10', '1, 2', '9'.repeat(400), '+1', '1.'])(
    'of "%s" is nonsense and named',
    (value) => {
      expect(parse({ 'retry-after': value })).toEqual({
        ignored: `retry-after: ${JSON.stringify(value).slice(0, 80)}`,
      })
    },
  )

  it.each(['86401', '1763710080', 'Sun, 21 Nov 2027 07:28:00 GMT'])('of "%s" asks for more than a day', (value) => {
    expect(parse({ 'retry-after': value })).toEqual({ ignored: `retry-after: "${value}"` })
  })

  it.each(['Sat, 41 Nov 2026 07:28:30 GMT', 'Sat, 21 Foo 2026 07:28:30 GMT', '2026-11-21T07:29:00Z'])(
    'of "%s" is no date and named',
    (value) => {
      expect(parse({ 'retry-after': value })).toEqual({ ignored: `retry-after: "${value}"` })
    },
  )

  it('that came twice is nonsense, one in a list is not', () => {
    expect(parse({ 'retry-after': ['1', '2'] })).toEqual({ ignored: 'retry-after: ["1","2"]' })
    expect(parse({ 'retry-after': ['1'] })).toEqual({ delayMs: 1_000 })
  })

  it('that is absent says nothing', () => {
    expect(parse({})).toEqual({})
    expect(parse({ 'retry-after': undefined, 'retry-after-ms': [] })).toEqual({})
  })
})

describe('a retry-after-ms header', () => {
  it('wins over seconds', () => {
    expect(parse({ 'retry-after-ms': '700', 'retry-after': '1' })).toEqual({ delayMs: 700 })
  })

  it('that is nonsense gives way to seconds and is still named', () => {
    expect(parse({ 'retry-after-ms': 'soon', 'retry-after': '1' })).toEqual({
      delayMs: 1_000,
      ignored: 'retry-after-ms: "soon"',
    })
  })
})

it('gives a finite delay from 0 or none, whatever comes', () => {
  const value = fc.option(
    fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...Array.from('0123456789.-+e, :GMTSatNov')) }),
      fc.double().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
      fc.array(fc.string()),
    ),
    { nil: undefined },
  )
  fc.assert(
    fc.property(value, value, (exact, coarse) => {
      const { delayMs = 0, ignored = '' } = parse({ 'retry-after-ms': exact, 'retry-after': coarse })
      expect(Number.isFinite(delayMs) && delayMs >= 0).toBe(true)
      expect(ignored.length).toBeLessThanOrEqual(100)
    }),
    { numRuns: 2_000 },
  )
})
