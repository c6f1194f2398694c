/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { getEventListeners } from 'node:events'
import { type FakeClock, createFakeClock, seededRandom } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import type { RouterOptions } from '../config/options.ts'
import { SignalboxError, type SignalboxErrorCode, type SignalboxErrorOptions } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'
import { plainReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import type { Attempt, Reply } from '../types.ts'

const reply = (model: string): Reply =>
  plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model, body: Buffer.from('ok') })

interface Sent {
  readonly atMs: number
  readonly attempt: Attempt
}

/** A router whose models fail with each of these in turn, and then answer. */
function setUp(
  failures: readonly (readonly [SignalboxErrorCode, SignalboxErrorOptions?])[],
  rest: Partial<RouterOptions> = {},
) {
  const clock = createFakeClock()
  const sent: Sent[] = []
  const provider = (domain: string): Provider => ({
    name: 'own',
    dialect: 'openai-chat',
    connect: () => ({
      domain,
      async send(attempt) {
        const failure = failures[sent.length]
        sent.push({ atMs: clock.now(), attempt })
        if (failure) throw new SignalboxError(failure[0], failure[0], failure[1])
        return reply(attempt.candidate.name)
      },
    }),
  })
  const router = createRouter({
    models: {
      a: { provider: provider('here') },
      twin: { provider: provider('here') },
      b: { provider: provider('there') },
    },
    routes: { twins: { models: ['a', 'twin'] }, far: { models: ['a', 'b'] } },
    clock,
    breaker: false,
    health: false,
    random: () => 0.5,
    ...rest,
  })
  return { router, clock, sent }
}

const ask = (model = 'a') => ({ body: { model, messages: [] } })

/** Lets time pass until the answer is there; a rejection is given, not thrown. */
async function outcome(clock: FakeClock, answer: Promise<Reply>): Promise<Reply | SignalboxError> {
  const settled = answer.catch((error: unknown) => error as SignalboxError)
  await clock.advance(600_000)
  return settled
}

describe('a retry', () => {
  it.each(['upstream_error', 'upstream_reset', 'upstream_overloaded', 'upstream_rate_limited'] as const)(
    'follows %s, after a pause',
    async (code) => {
      const { router, clock, sent } = setUp([[code]])
      expect(await outcome(clock, router.handle(ask()))).toMatchObject({ model: 'a' })
      expect(sent.map(({ attempt }) => attempt.number)).toEqual([1, 2])
      expect(sent[1]!.atMs).toBeGreaterThan(0)
      expect(clock.pendingTimers()).toBe(0)
    },
  )

  it.each([
    'upstream_rejected',
    'upstream_timeout',
    'upstream_unreachable',
    'bad_upstream_response',
    'provider_auth_failed',
    'upstream_quota_exhausted',
    'cancelled',
    'deadline_exceeded',
  ] as const)('does not follow %s', async (code) => {
    const { router, clock, sent } = setUp([[code]])
    expect(await outcome(clock, router.handle(ask()))).toMatchObject({ code })
    expect(sent).toHaveLength(1)
  })

  it("follows the provider's own word on it", async () => {
    const never = setUp([['upstream_error', { retryable: false }]])
    expect(await outcome(never.clock, never.router.handle(ask()))).toMatchObject({ code: 'upstream_error' })
    const always = setUp([['upstream_timeout', { retryable: true }]])
    expect(await outcome(always.clock, always.router.handle(ask()))).toMatchObject({ model: 'a' })
  })

  it('comes once a second at the most while a domain has few requests', async () => {
    const { router, clock, sent } = setUp(Array.from({ length: 9 }, () => ['upstream_error'] as const))
    await outcome(clock, router.handle(ask()))
    expect(sent).toHaveLength(2)
  })

  it('is earned by requests that are sent, and by none that is kept back', async () => {
    const failures = Array.from({ length: 99 }, () => ['upstream_error'] as const)
    const { router, clock, sent } = setUp(failures, {
      retry: { budgetRatio: 0.1, budgetPerSecond: 0 },
      plugins: [
        {
          name: 'limits the crowd',
          attempt: {
            stage: 'limiter',
            run: (attempt, next) =>
              attempt.call.identity.user === 'crowd'
                ? Promise.reject(new SignalboxError('rate_limit_exceeded', 'no room'))
                : next(attempt),
          },
        },
      ],
    })
    for (let time = 0; time < 20; time++) {
      for (const user of ['crowd', 'one']) router.handle({ ...ask(), identity: { user } }).catch(() => undefined)
      await clock.advance(1_000)
    }
    expect(sent).toHaveLength(22)
  })

  it('makes three attempts in all, or as many as are set, and then the last failure is told', async () => {
    const failures = Array.from({ length: 9 }, () => ['upstream_error'] as const)
    for (const [retry, times] of [
      [{ budgetPerSecond: 100 }, 3],
      [{ maxAttempts: 2, budgetPerSecond: 100 }, 2],
      [{ maxAttempts: 5, budgetPerSecond: 100 }, 5],
      [{ maxAttempts: 9, maxAttemptsPerCall: 4, budgetPerSecond: 100 }, 4],
      [false, 1],
    ] as const) {
      const { router, clock, sent } = setUp(failures, { retry })
      const error = await outcome(clock, router.handle(ask()))
      expect(error).toMatchObject({ code: 'upstream_error' })
      expect((error as SignalboxError).failures).toHaveLength(times)
      expect(sent).toHaveLength(times)
      expect(clock.pendingTimers()).toBe(0)
    }
  })

  it('waits half of an exponential backoff in the middle of the chance, longer where a provider is crowded', async () => {
    const pauses = async (code: SignalboxErrorCode) => {
      const { router, clock, sent } = setUp([[code], [code]], { retry: { budgetPerSecond: 100 } })
      await outcome(clock, router.handle(ask()))
      return sent.map(({ atMs }, index) => atMs - (sent[index - 1]?.atMs ?? 0)).slice(1)
    }
    expect(await pauses('upstream_error')).toEqual([250, 500])
    expect(await pauses('upstream_overloaded')).toEqual([500, 1_000])
  })

  it('waits by chance: two callers do not come back together', async () => {
    const { router, clock, sent } = setUp([['upstream_error'], ['upstream_error']], { random: seededRandom(5) })
    await Promise.all([outcome(clock, router.handle(ask())), router.handle(ask()).catch(() => undefined)])
    const [, , one, other] = sent.map(({ atMs }) => atMs)
    expect(one).not.toBe(other)
  })

  it('waits as long as the provider says, and not less', async () => {
    const { router, clock, sent } = setUp([['upstream_rate_limited', { retryAfterMs: 7_000 }]])
    await outcome(clock, router.handle(ask()))
    expect(sent[1]!.atMs).toBe(7_000)
  })

  it('does not come where the pause would outlast the call, and the caller is told at once', async () => {
    const { router, clock, sent } = setUp([['upstream_rate_limited', { retryAfterMs: 3_600_000 }]])
    const answer = router.handle(ask()).catch((error: unknown) => error)
    await clock.settle()
    expect(await answer).toMatchObject({ code: 'upstream_rate_limited', retryable: false, retryAfterMs: 3_600_000 })
    expect(sent).toHaveLength(1)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('leaves the call to wait for a pause that it outlasts, where only the backoff that was drawn would outlast it', async () => {
    const { router, clock, sent } = setUp([['upstream_rate_limited', { retryAfterMs: 100 }]], { random: () => 0.99 })
    expect(await outcome(clock, router.handle({ ...ask(), timeoutMs: 400 }))).toMatchObject({ model: 'a' })
    expect(sent.map(({ atMs }) => atMs)).toEqual([0, 100])
  })

  it('is bounded by the time that the caller gave', async () => {
    const failures = Array.from({ length: 9 }, () => ['upstream_error'] as const)
    const { router, clock, sent } = setUp(failures, { retry: { maxAttempts: 9, budgetPerSecond: 100 } })
    expect(await outcome(clock, router.handle({ ...ask(), timeoutMs: 800 }))).toMatchObject({ code: 'upstream_error' })
    expect(sent.map(({ atMs }) => atMs)).toEqual([0, 250, 750])
  })

  it('leaves it to another domain at once, and waits where all that is left shares the domain', async () => {
    const far = setUp([['upstream_error']])
    expect(await outcome(far.clock, far.router.handle(ask('far')))).toMatchObject({ model: 'b' })
    expect(far.sent.map(({ atMs }) => atMs)).toEqual([0, 0])
    const twins = setUp([['upstream_error']])
    expect(await outcome(twins.clock, twins.router.handle(ask('twins')))).toMatchObject({ model: 'a' })
    expect(twins.sent.map(({ attempt }) => attempt.candidate.name)).toEqual(['a', 'a'])
  })
})

it('does not leave it to a model that has failed in this call by then: nobody asks that one again', async () => {
  const { router, clock, sent } = setUp([
    ['upstream_rate_limited', { retryAfterMs: 1_000, retryable: true }],
    ['upstream_timeout'],
    ['upstream_error'],
  ])
  expect(await outcome(clock, router.handle(ask('far')))).toMatchObject({ model: 'a' })
  expect(sent.map(({ attempt }) => attempt.candidate.name)).toEqual(['a', 'b', 'a', 'a'])
})

describe('a caller who leaves in the pause', () => {
  it('is heard at once: no later attempt, no timer, no listener', async () => {
    const { router, clock, sent } = setUp([['upstream_error'], ['upstream_error']])
    const caller = new AbortController()
    const answer = router.handle({ ...ask(), signal: caller.signal }).catch((error: unknown) => error)
    await clock.settle()
    expect([sent.length, clock.pendingTimers(), getEventListeners(caller.signal, 'abort').length]).toEqual([1, 1, 1])
    caller.abort()
    expect([clock.pendingTimers(), getEventListeners(caller.signal, 'abort').length]).toEqual([0, 0])
    expect(await answer).toMatchObject({ code: 'cancelled' })
    await clock.advance(60_000)
    expect(sent).toHaveLength(1)
  })

  it('leaves no listener on a signal that serves many calls, nor does one who stays', async () => {
    const { router, clock } = setUp([['upstream_error'], ['upstream_error']])
    const { signal } = new AbortController()
    await outcome(clock, router.handle({ ...ask(), signal }))
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})
