import { expect, it } from 'vitest'
import { readCacheControl } from './cache-control.ts'

const ageOf = (value: string) => readCacheControl(value).maximumAgeMs

it.each([
  ['max-age=5', 5_000],
  ['max-age=0', 0],
  ['no-transform,MAX-AGE="7"', 7_000],
  ['max-age=60, max-age=5', 5_000],
  ['max-age=99999999999', 99_999_999_999_000],
  ['', Infinity],
  ['s-maxage=1, x-max-age=1', Infinity],
])('an age is read from %j', (value, expected) => {
  expect(ageOf(value)).toBe(expected)
})

it.each(['max-age=-1', 'max-age', 'max-age=', 'max-age=soon', 'max-age=1.5', 'max-age = 60'])(
  'an age that is none wants what is new: %j',
  (value) => {
    expect(ageOf(value)).toBe(0)
  },
)

it.each([
  ['no-cache', true, false],
  ['No-Store', false, true],
  [' no-cache ,no-store', true, true],
  ['no-cached, xno-store', false, false],
])('what is wanted is read from %j', (value, noCache, noStore) => {
  expect(readCacheControl(value)).toMatchObject({ noCache, noStore })
})
