import { expect, it } from 'vitest'
import { readRateLimitHeaders } from './rate-limit-headers.ts'

const wallTime = Date.UTC(2026, 10, 22, 8, 0, 0)

const requestsReset = (reset: string) =>
  readRateLimitHeaders({ 'x-ratelimit-remaining-requests': '7', 'x-ratelimit-reset-requests': reset }, wallTime)
    .requests?.resetMs

it('reads what OpenAI sends', () => {
  const headers = {
    'x-ratelimit-limit-requests': '500',
    'x-ratelimit-remaining-requests': '499',
    'x-ratelimit-reset-requests': '120ms',
    'x-ratelimit-limit-tokens': '30000',
    'x-ratelimit-remaining-tokens': '0',
    'x-ratelimit-reset-tokens': ['6m0s'],
  }
  expect(readRateLimitHeaders(headers, wallTime)).toEqual({
    requests: { limit: 500, remaining: 499, resetMs: 120 },
    tokens: { limit: 30_000, remaining: 0, resetMs: 360_000 },
  })
})

it('reads what Anthropic sends', () => {
  const headers = {
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '49',
    'anthropic-ratelimit-requests-reset': '2026-11-22T08:00:01Z',
    'anthropic-ratelimit-input-tokens-limit': '40000',
    'anthropic-ratelimit-input-tokens-remaining': '12000',
    'anthropic-ratelimit-input-tokens-reset': '2026-11-22T09:00:42+01:00',
  }
  expect(readRateLimitHeaders(headers, wallTime)).toEqual({
    requests: { limit: 50, remaining: 49, resetMs: 1_000 },
    tokens: { limit: 40_000, remaining: 12_000, resetMs: 42_000 },
  })
})

it.each([
  ['1s', 1_000],
  ['7.66s', 7_660],
  ['2m59.56s', 179_560],
  ['1h0m1s', 3_601_000],
  ['500us', 0.5],
  ['12', 12_000],
  ['0.5', 500],
])('reads the reset %s', (reset, resetMs) => {
  expect(requestsReset(reset)).toBeCloseTo(resetMs, 6)
})

it.each([
  '',
  '-1',
  '0',
  '0s',
  '-6m',
  'soon',
  '6m 0s x',
  '1e9',
  '25h',
  '1741305600000',
  '2026-11-22T07:59:59Z',
  '2026-99-99T00:00:00Z',
])('takes the reset %j for not said', (reset) => {
  expect(requestsReset(reset)).toBeUndefined()
})

it.each([
  ['a limit of 0', { limit: '0', remaining: '0' }],
  ['a limit of -1', { limit: '-1', remaining: '-1' }],
  ['a remainder of -1', { limit: '500', remaining: '-1' }],
  ['no remainder', { limit: '500', remaining: undefined }],
  ['a number with letters', { limit: '500', remaining: '4x' }],
  ['a huge number', { limit: '9'.repeat(40), remaining: '1' }],
])('takes %s for not said', (_, { limit, remaining }) => {
  const headers = {
    'x-ratelimit-limit-tokens': limit,
    'x-ratelimit-remaining-tokens': remaining,
    'x-ratelimit-reset-tokens': '1s',
  }
  expect(readRateLimitHeaders(headers, wallTime).tokens).toBeUndefined()
})

it('reads nothing from no headers, and never more left than the limit', () => {
  expect(readRateLimitHeaders({}, wallTime)).toEqual({ requests: undefined, tokens: undefined })
  const headers = { limit: '5', remaining: '9', reset: '1s' }
  const named = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [`x-ratelimit-${name}-requests`, value]),
  )
  expect(readRateLimitHeaders(named, wallTime).requests).toMatchObject({ limit: 5, remaining: 5 })
})
