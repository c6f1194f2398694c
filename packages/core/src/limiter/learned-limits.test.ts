import { createFakeClock } from '@signalbox/testkit'
import { expect, it } from 'vitest'
import { createMemoryStore } from '../store/memory.ts'
import { createLearnedLimits } from './learned-limits.ts'
import { createLimiter } from './limiter.ts'
import { createLimits } from './limits.ts'

const need = (tokens: number) => ({ requests: 1, tokens })

const told = (remaining: number) => ({
  'x-ratelimit-remaining-requests': `${remaining}`,
  'x-ratelimit-reset-requests': '60s',
})

function setUp() {
  const clock = createFakeClock()
  const learned = createLearnedLimits({ clock })
  const say = (kind: 'requests' | 'tokens', remaining: number, reset: string, limit?: number) =>
    learned.observe('model:a', {
      [`x-ratelimit-remaining-${kind}`]: `${remaining}`,
      [`x-ratelimit-reset-${kind}`]: reset,
      ...(limit !== undefined && { [`x-ratelimit-limit-${kind}`]: `${limit}` }),
    })
  return { clock, learned, say, gate: learned.gate('model:a') }
}

it('lets everything through until a provider has said something', () => {
  const { gate, learned } = setUp()
  expect(gate.check(need(1e9))).toBeUndefined()
  expect(learned.read('model:a')).toEqual([])
})

it('stops what is over what is left, until it has come back', () => {
  const { clock, gate, say } = setUp()
  say('tokens', 1_000, '60s', 61_000)
  expect(gate.check(need(1_000))).toBeUndefined()
  expect(gate.check(need(3_000))).toEqual({
    kind: 'tokens',
    limit: 61_000,
    remaining: 1_000,
    resetMs: 60_000,
    retryAfterMs: 2_000,
  })
  clock.advanceSync(2_000)
  expect(gate.check(need(3_000))).toBeUndefined()
})

it('takes what it lets through off what is left', () => {
  const { gate, say } = setUp()
  say('requests', 2, '10s')
  gate.pass(need(1))
  expect(gate.check(need(1))).toBeUndefined()
  gate.pass(need(1))
  expect(gate.check(need(1))).toMatchObject({ kind: 'requests', remaining: 0, retryAfterMs: 10_000 })
})

it('waits for the reset where the limit is not told', () => {
  const { clock, gate, say } = setUp()
  say('requests', 0, '10s')
  clock.advanceSync(9_999)
  expect(gate.check(need(1))).toMatchObject({ retryAfterMs: 1 })
  clock.advanceSync(1)
  expect(gate.check(need(1))).toBeUndefined()
})

it('names the kind that takes longest', () => {
  const { gate, say } = setUp()
  say('requests', 0, '10s')
  say('tokens', 0, '20s')
  expect(gate.check(need(1))).toMatchObject({ kind: 'tokens', retryAfterMs: 20_000 })
})

it('does not stop for ever what is larger than the limit', () => {
  const { clock, gate, say } = setUp()
  say('tokens', 0, '10s', 1_000)
  expect(gate.check(need(5_000))).toMatchObject({ retryAfterMs: 10_000 })
  clock.advanceSync(10_000)
  expect(gate.check(need(5_000))).toBeUndefined()
})

it('keeps groups apart and says what it knows', () => {
  const { learned, say } = setUp()
  say('requests', 3, '10s', 10)
  expect(learned.gate('model:b').check(need(1))).toBeUndefined()
  expect(learned.read('model:a')).toEqual([
    { kind: 'requests', limit: 10, remaining: 3, resetMs: 10_000, retryAfterMs: 0 },
  ])
})

it('makes a limiter wait where the provider allows less than its own limits', async () => {
  const { clock, gate, say } = setUp()
  const limiter = createLimiter({ store: createMemoryStore({ clock }), clock })
  const limits = createLimits('model:a', { requestsPerMinute: 100 })
  say('requests', 1, '6s', 11)
  const grantedAt: number[] = []
  for (const id of ['1', '2', '3']) {
    void Promise.resolve(limiter.acquire({ id, limits, tokens: 1, gate })).then(() => grantedAt.push(clock.now()))
  }
  await clock.advance(10_000)
  expect(grantedAt).toEqual([0, 600, 1_200])
})

it('takes what it has let through since the call that was answered off what the answer says is left', () => {
  const { clock, learned, gate } = setUp()
  learned.observe('model:a', told(5))
  clock.advanceSync(100)
  gate.pass(need(1))
  clock.advanceSync(1)
  for (let call = 0; call < 3; call++) gate.pass(need(1))
  clock.advanceSync(900)
  learned.observe('model:a', told(4), { sentMs: 100 })
  expect(learned.read('model:a')).toMatchObject([{ remaining: 1 }])
})

it('believes the answer to the call that was sent last, whichever comes last', () => {
  const { clock, learned } = setUp()
  clock.advanceSync(1_000)
  learned.observe('model:a', told(2), { sentMs: 500 })
  learned.observe('model:a', told(9), { sentMs: 100 })
  expect(learned.read('model:a')).toMatchObject([{ remaining: 2 }])
  learned.observe('model:a', told(7), { sentMs: 600 })
  expect(learned.read('model:a')).toMatchObject([{ remaining: 7 }])
})

it('lets nothing come back before the provider wants to be asked again', () => {
  const { clock, learned, gate } = setUp()
  const headers = {
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '60s',
  }
  learned.observe('model:a', headers, { pauseMs: 20_000 })
  expect(gate.check(need(1))).toMatchObject({ retryAfterMs: 21_000 })
  clock.advanceSync(1_000)
  learned.observe('model:a', headers)
  expect(gate.check(need(1))).toMatchObject({ retryAfterMs: 20_000 })
})
