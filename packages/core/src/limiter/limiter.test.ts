import { getEventListeners } from 'node:events'
import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { createLimiter } from './limiter.ts'
import { createLimits, type LimitRates } from './limits.ts'
import type { LimiterOptions, Permit, Refusal, WaitRequest } from './types.ts'

type Answer = Permit | Refusal

function setUp({ isAsync = false, queue }: { isAsync?: boolean; queue?: LimiterOptions['queue'] } = {}) {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const store = isAsync ? answeringLater(memory) : memory
  const limiter = createLimiter({ store, clock, ...(queue && { queue }) })
  let lastId = 0
  const request = (rates: LimitRates, more: Partial<WaitRequest> = {}): WaitRequest => {
    return { id: `call-${(lastId += 1)}`, limits: createLimits('model:a', rates), tokens: 100, ...more }
  }
  const acquire = async (rates: LimitRates, more?: Partial<WaitRequest>) => limiter.acquire(request(rates, more))
  return { clock, memory, store, limiter, request, acquire }
}

/** A store over a network: each verb takes effect, and is answered, some turns later. */
function answeringLater(store: Store): Store {
  return {
    scope: 'cluster',
    sharers: () => 1,
    reserve: (reservation) => later(() => store.reserve(reservation)),
    settle: (id, amounts) => later(() => store.settle(id, amounts)),
    release: (id) => later(() => store.release(id)),
    read: (keys) => later(() => store.read(keys)),
    sweep: () => later(() => store.sweep()),
  }
}

/** A store whose answers to reservations can be held back after they have taken effect. */
function withSlowAnswers() {
  const { clock, memory } = setUp()
  let held: Promise<void> | undefined
  const hold = () => {
    const { promise, resolve } = deferred()
    held = promise
    return () => {
      held = undefined
      resolve()
    }
  }
  const store: Store = {
    ...answeringLater(memory),
    reserve: async (reservation) => {
      const answer = memory.reserve(reservation)
      await held
      return answer
    },
  }
  const limits = createLimits('a', { concurrency: 1 })
  const request = (id: string) => ({ id, limits, tokens: 1 })
  return { clock, memory, limiter: createLimiter({ store, clock }), request, hold }
}

function deferred() {
  const steps: (() => void)[] = []
  const promise = new Promise<void>((resolve) => steps.push(resolve))
  return { promise, resolve: () => steps.forEach((step) => step()) }
}

async function later<T>(run: () => T): Promise<Awaited<T>> {
  await turns()
  const answer = await run()
  await turns()
  return answer
}

async function turns() {
  for (let turn = 0; turn < 3; turn++) await Promise.resolve()
}

function granted(answer: Answer): Permit {
  if (!answer.granted) throw new Error(`Expected a permit, got a refusal: ${answer.reason} of ${answer.kind}`)
  return answer
}

function refused(answer: Answer): Refusal {
  if (answer.granted) throw new Error('Expected a refusal, got a permit')
  return answer
}

/** Keeps the order in which promises are fulfilled. */
function watch() {
  const seen: string[] = []
  const see = async (name: string, answer: Promise<Answer>) => {
    const result = await answer
    seen.push(result.granted ? name : `${name} refused`)
    return result
  }
  return { seen, see }
}

describe.each([
  ['in memory', false],
  ['that answers by promise', true],
])('over a store %s', (_, isAsync) => {
  it('takes all limits of a call or none', async () => {
    const { acquire, memory } = setUp({ isAsync })
    granted(await acquire({ requestsPerMinute: 10, tokensPerMinute: 1_000, concurrency: 5 }, { tokens: 900 }))
    const rates = { requestsPerMinute: 10, tokensPerMinute: 1_000, concurrency: 5 }
    expect(refused(await acquire(rates, { tokens: 101, mayWait: false }))).toEqual({
      granted: false,
      reason: 'limit',
      group: 'model:a',
      kind: 'tokens',
      limit: 1_000,
      remaining: 100,
      resetMs: 60_000,
      retryAfterMs: 60_000,
    })
    expect(memory.read(['model:a:requests'])[0]).toMatchObject({ held: 1 })
  })

  it('refuses at once what is larger than a limit, though others wait', async () => {
    const { acquire, limiter } = setUp({ isAsync })
    granted(await acquire({ tokensPerMinute: 100 }))
    void acquire({ tokensPerMinute: 100 })
    await turns()
    expect(refused(await acquire({ tokensPerMinute: 100 }, { tokens: 101 }))).toMatchObject({
      reason: 'never',
      limit: 100,
    })
    expect(limiter.waiting().get('model:a') ?? 0).toBeLessThanOrEqual(1)
  })

  it('holds concurrency until a call is over, however it ends', async () => {
    const { acquire, clock } = setUp({ isAsync })
    const first = granted(await acquire({ concurrency: 1 }))
    const { seen, see } = watch()
    const second = see('second', acquire({ concurrency: 1 }))
    const third = see('third', acquire({ concurrency: 1 }))
    await clock.advance(400)
    expect(seen).toEqual([])
    await first.settle({ tokens: 5 })
    await granted(await second).release()
    granted(await third)
    expect(seen).toEqual(['second', 'third'])
  })

  it('wakes the first in the queue exactly when the window lets it in', async () => {
    const { acquire, clock } = setUp({ isAsync })
    granted(await acquire({ requestsPerMinute: 1 }))
    let grantedAt = 0
    void acquire({ requestsPerMinute: 1 }).then(() => (grantedAt = clock.now()))
    await clock.advance(70_000)
    expect(grantedAt).toBe(60_000)
  })

  it('wakes the first when a call has used less than was reserved', async () => {
    const { acquire, clock } = setUp({ isAsync })
    const first = granted(await acquire({ tokensPerMinute: 1_000 }, { tokens: 1_000 }))
    const second = acquire({ tokensPerMinute: 1_000 }, { tokens: 300 })
    await clock.advance(100)
    await first.settle({ tokens: 700 })
    granted(await second)
    expect(clock.now()).toBe(100)
  })

  it('lets nobody pass those who wait, not even one that would fit', async () => {
    const { acquire, clock, limiter, request } = setUp({ isAsync })
    granted(await acquire({ tokensPerMinute: 1_000 }, { tokens: 600 }))
    const { seen, see } = watch()
    void see('large', acquire({ tokensPerMinute: 1_000 }, { tokens: 500 }))
    await clock.advance(10)
    void see('small', acquire({ tokensPerMinute: 1_000 }, { tokens: 1 }))
    const tried = refused(await limiter.tryAcquire(request({ tokensPerMinute: 1_000 }, { tokens: 1 })))
    expect(tried).toMatchObject({ reason: 'limit', kind: 'tokens' })
    expect(tried.retryAfterMs).toBeLessThanOrEqual(59_990 + 2 * 60)
    await clock.advance(59_989)
    expect(seen).toEqual([])
    await clock.advance(10)
    expect(seen).toEqual(['large', 'small'])
  })

  it('refuses when the queue is full', async () => {
    const { acquire, clock, limiter } = setUp({ isAsync, queue: { maximumWaiting: 2 } })
    granted(await acquire({ concurrency: 1 }))
    void acquire({ concurrency: 1 })
    void acquire({ concurrency: 1 })
    await clock.advance(10)
    expect(limiter.waiting()).toEqual(new Map([['model:a', 2]]))
    expect(refused(await acquire({ concurrency: 1 }))).toMatchObject({ reason: 'queue_full', kind: 'concurrency' })
  })

  it('tells whom it refuses when all that wait will have had their turn', async () => {
    const { acquire, clock } = setUp({ isAsync, queue: { maximumWaiting: 3 } })
    const limits = { requestsPerMinute: 10 }
    for (let call = 0; call < 10; call++) {
      granted(await acquire(limits))
      await clock.advance(6_000)
    }
    const waiting = Array.from({ length: 4 }, () => acquire(limits))
    await clock.advance(10)
    granted(await waiting[0]!)
    void acquire(limits)
    await clock.advance(10)
    const { reason, retryAfterMs } = refused(await acquire(limits))
    expect(reason).toBe('queue_full')
    expect(retryAfterMs).toBeCloseTo(6_000 - 20 + 3 * 6_000, -2)
    await clock.advance(retryAfterMs!)
    granted(await acquire(limits))
  })

  it('lets a waiter go at its deadline, with what it would still have had to wait', async () => {
    const { acquire, clock, limiter } = setUp({ isAsync })
    granted(await acquire({ requestsPerMinute: 1 }))
    const waiting = acquire({ requestsPerMinute: 1 }, { deadline: 25_000 })
    await clock.advance(25_000)
    expect(refused(await waiting)).toMatchObject({ reason: 'deadline', retryAfterMs: 35_000, resetMs: 35_000 })
    expect(limiter.waiting().size).toBe(0)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('does not let one wait whose deadline has passed', async () => {
    const { acquire } = setUp({ isAsync })
    granted(await acquire({ concurrency: 1 }))
    expect(refused(await acquire({ concurrency: 1 }, { deadline: 0 }))).toMatchObject({ reason: 'deadline' })
  })

  it('lets an aborted waiter go at once, holding nothing and leaving no timer', async () => {
    const { acquire, clock, limiter, memory } = setUp({ isAsync })
    const first = granted(await acquire({ concurrency: 1 }))
    const controller = new AbortController()
    const waiting = acquire({ concurrency: 1 }, { signal: controller.signal, deadline: 50_000 })
    await clock.advance(10)
    controller.abort(new Error('went away'))
    await expect(waiting).rejects.toThrow('went away')
    await clock.settle()
    expect(limiter.waiting().size).toBe(0)
    expect(clock.pendingTimers()).toBe(0)
    await first.release()
    expect(memory.read(['model:a:concurrency'])[0]).toMatchObject({ posted: 0, held: 0 })
  })

  it('gives the turn of one that left to the next, who may need less', async () => {
    const { acquire, clock } = setUp({ isAsync })
    granted(await acquire({ tokensPerMinute: 1_000 }, { tokens: 600 }))
    const controller = new AbortController()
    const large = acquire({ tokensPerMinute: 1_000 }, { tokens: 500, signal: controller.signal })
    await clock.advance(10)
    const small = acquire({ tokensPerMinute: 1_000 }, { tokens: 100 })
    await clock.advance(10)
    controller.abort()
    await expect(large).rejects.toThrow('aborted')
    granted(await small)
    expect(clock.now()).toBe(20)
  })

  it('rejects when the signal is aborted before', async () => {
    const { acquire } = setUp({ isAsync })
    await expect(acquire({ concurrency: 1 }, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
  })

  it('does not let the limit of one user stop another', async () => {
    const { acquire, clock, limiter } = setUp({ isAsync })
    const model = createLimits('model:a', { requestsPerMinute: 100 })
    const limits = (user: string) => [...createLimits(user, { concurrency: 1 }), ...model]
    const first = granted(await acquire({}, { limits: limits('user:1') }))
    const second = acquire({}, { limits: limits('user:1') })
    await clock.advance(10)
    granted(await acquire({}, { limits: limits('user:2') }))
    expect(limiter.waiting()).toEqual(new Map([['user:1', 1]]))
    await first.release()
    granted(await second)
  })

  it('moves a waiter to the queue of the limit that stops it next', async () => {
    const { acquire, clock, limiter } = setUp({ isAsync })
    const limits = [...createLimits('user:1', { concurrency: 1 }), ...createLimits('model:a', { requestsPerMinute: 2 })]
    const first = granted(await acquire({}, { limits }))
    granted(await acquire({}, { limits: createLimits('model:a', { requestsPerMinute: 2 }) }))
    const second = acquire({}, { limits })
    await clock.advance(10)
    expect([...limiter.waiting().keys()]).toEqual(['user:1'])
    await first.settle({})
    await clock.settle()
    expect([...limiter.waiting().keys()]).toEqual(['model:a'])
    await clock.advance(60_000)
    granted(await second)
    expect(limiter.waiting().size).toBe(0)
  })

  it('finds room again when a permit is lost, after its lease', async () => {
    const { acquire, clock } = setUp({ isAsync, queue: { recheckMs: 500 } })
    granted(await acquire({ concurrency: 1 }, { leaseMs: 10_200 }))
    let grantedAt = 0
    void acquire({ concurrency: 1 }).then(() => (grantedAt = clock.now()))
    await clock.advance(20_000)
    expect(grantedAt).toBe(10_500)
  })

  it('counts an excess as debt, also when it shows after the reservation has left the window', async () => {
    const { acquire, clock, memory } = setUp({ isAsync })
    const long = granted(await acquire({ tokensPerMinute: 1_000 }, { tokens: 100 }))
    await clock.advance(90_000)
    await long.settle({ tokens: 1_500 })
    expect(memory.read(['model:a:tokens'])[0]).toMatchObject({ posted: 1_400, remaining: -400 })
    expect(refused(await acquire({ tokensPerMinute: 1_000 }, { mayWait: false }))).toMatchObject({
      retryAfterMs: 60_000,
    })
  })

  it('settles a permit once', async () => {
    const { acquire, memory } = setUp({ isAsync })
    const permit = granted(await acquire({ tokensPerMinute: 1_000 }))
    await permit.settle({ tokens: 70 })
    await permit.settle({ tokens: 90 })
    await permit.release()
    expect(memory.read(['model:a:tokens'])[0]).toMatchObject({ posted: 70, held: 0 })
  })

  it('keeps the estimate where the usage is not known, and refuses one that is no number', async () => {
    const { acquire, memory } = setUp({ isAsync })
    const permit = granted(await acquire({ tokensPerMinute: 1_000 }))
    expect(() => permit.settle({ tokens: Number.NaN })).toThrow('whole number of tokens, got NaN')
    await permit.settle({})
    expect(memory.read(['model:a:tokens'])[0]).toMatchObject({ posted: 100, held: 0 })
  })

  it('shares turns between priorities by weight, and starves none', async () => {
    const { acquire, clock } = setUp({ isAsync })
    let permit = granted(await acquire({ concurrency: 1 }))
    const order: number[] = []
    for (const priority of [5, 4, 3, 2, 1] as const) {
      for (let call = 0; call < 40; call++) {
        void acquire({ concurrency: 1 }, { priority }).then((answer) => {
          order.push(priority)
          permit = granted(answer)
        })
      }
    }
    await clock.advance(1)
    for (let turn = 0; turn < 62; turn++) {
      await permit.settle({})
      await clock.settle()
    }
    const count = (priority: number) => order.slice(0, 62).filter((seen) => seen === priority).length
    expect([1, 2, 3, 4, 5].map(count)).toEqual([32, 16, 8, 4, 2])
  })

  it('stops at a gate and goes on when it opens', async () => {
    const { acquire, clock } = setUp({ isAsync })
    const passed: number[] = []
    const shortage = { kind: 'requests', limit: 10, remaining: 0, resetMs: 300, retryAfterMs: 300 } as const
    const gate = {
      group: 'model:a',
      check: () => (clock.now() < 300 ? shortage : undefined),
      pass: () => void passed.push(clock.now()),
    }
    expect(refused(await acquire({ concurrency: 1 }, { gate, mayWait: false }))).toMatchObject({ retryAfterMs: 300 })
    const waiting = acquire({ concurrency: 1 }, { gate })
    await clock.advance(1_000)
    granted(await waiting)
    expect(passed).toEqual([300])
  })

  it('lets everything through that has no limit', async () => {
    const { acquire, limiter } = setUp({ isAsync })
    const permit = granted(await acquire({}))
    await permit.settle({ tokens: 4 })
    await permit.release()
    expect(limiter.waiting().size).toBe(0)
  })
})

describe('createLimiter', () => {
  it('answers at once over a store in memory, unless the call has to wait', () => {
    const { limiter, request } = setUp()
    const permit = limiter.acquire(request({ requestsPerMinute: 1 }))
    expect(permit).toMatchObject({ granted: true })
    expect((permit as Permit).settle({ tokens: 1 })).toBeUndefined()
    expect(limiter.acquire(request({ requestsPerMinute: 1 }))).toBeInstanceOf(Promise)
  })

  it('gives back what came for a waiter that left while the store was asked', async () => {
    const { clock, memory, limiter, request, hold } = withSlowAnswers()
    const first = granted(await limiter.acquire(request('1')))
    const controller = new AbortController()
    const waiting = limiter.acquire({ ...request('2'), signal: controller.signal })
    const next = limiter.acquire(request('3'))
    await clock.settle()
    const answer = hold()
    await first.release()
    controller.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    expect(memory.read(['a:concurrency'])[0]).toMatchObject({ held: 1 })
    answer()
    await granted(await next).release()
    expect(memory.read(['a:concurrency'])[0]).toMatchObject({ held: 0 })
  })

  it('tries again when room was made while the store was refusing', async () => {
    const { clock, limiter, request, hold } = withSlowAnswers()
    const first = granted(await limiter.acquire(request('1')))
    const answerSecond = hold()
    const second = limiter.acquire(request('2'))
    await first.release()
    answerSecond()
    const permit = granted(await second)

    const third = limiter.acquire(request('3'))
    await clock.settle()
    const answerThird = hold()
    await clock.advance(1_000)
    await permit.release()
    answerThird()
    expect(await third).toMatchObject({ granted: true })
    expect(clock.now()).toBe(1_000)
  })

  it('leaves no listener on the signal of a call that waited', async () => {
    const { acquire, clock } = setUp()
    const { signal } = new AbortController()
    const first = granted(await acquire({ concurrency: 1 }))
    const second = acquire({ concurrency: 1 }, { signal })
    const third = acquire({ concurrency: 1 }, { signal, deadline: 10 })
    expect(getEventListeners(signal, 'abort')).toHaveLength(2)
    await first.release()
    await clock.advance(10)
    expect(await second).toMatchObject({ granted: true })
    expect(await third).toMatchObject({ granted: false })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('gives back what came for a call that was aborted while the store was asked', async () => {
    const { acquire, clock, memory } = setUp({ isAsync: true })
    const controller = new AbortController()
    const waiting = acquire({ concurrency: 1 }, { signal: controller.signal })
    controller.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    await clock.settle()
    expect(memory.read(['model:a:concurrency'])[0]).toMatchObject({ held: 0 })
  })

  it('looks again for room that another process has made', async () => {
    const { acquire, clock, memory } = setUp({ isAsync: true })
    granted(await acquire({ tokensPerMinute: 100 }, { id: 'theirs' }))
    const waiting = acquire({ tokensPerMinute: 100 })
    await clock.advance(1_500)
    memory.settle('theirs', [0])
    await clock.advance(500)
    expect(await waiting).toMatchObject({ granted: true })
  })

  it('fails a call with the error of the store, and those who wait with it', async () => {
    const { clock, memory } = setUp()
    let isDown = false
    const failing: Store = {
      ...memory,
      reserve: (reservation) => (isDown ? Promise.reject(new Error('down')) : memory.reserve(reservation)),
    }
    const limiter = createLimiter({ store: failing, clock })
    const limits = createLimits('a', { requestsPerMinute: 1 })
    const request = (id: string) => ({ id, limits, tokens: 1 })
    await limiter.acquire(request('1'))
    const waiting = limiter.acquire(request('2'))
    isDown = true
    await Promise.all([expect(waiting).rejects.toThrow('down'), clock.advance(60_000)])
    await expect(limiter.acquire(request('3'))).rejects.toThrow('down')
    expect(clock.pendingTimers()).toBe(0)
  })

  it('refuses options that make no sense, saying what came', () => {
    const { clock, store } = setUp()
    expect(() => createLimiter({ store, clock, queue: { maximumWaiting: -1 } })).toThrow(
      'maximumWaiting to be 0 or more, got -1',
    )
    expect(() => createLimiter({ store, clock, queue: { recheckMs: 0 } })).toThrow('recheckMs to be above 0, got 0')
    expect(() => createLimiter({ store, clock, leaseMs: Number.NaN })).toThrow('leaseMs to be above 0, got NaN')
    expect(() => createLimits('a', { tokensPerMinute: 1.5 })).toThrow(
      'tokensPerMinute of a to be a whole number from 0, got 1.5',
    )
  })
})

it('looks again at a gate that has learned something new', async () => {
  const { clock, limiter, request } = setUp()
  let short = true
  const shortage = { kind: 'requests', limit: 1, remaining: 0, resetMs: 60_000, retryAfterMs: 60_000 } as const
  const gate = { group: 'model:a', check: () => (short ? shortage : undefined), pass: () => undefined }
  const waiting = limiter.acquire({ ...request({}), gate })
  await clock.advance(1_000)
  short = false
  limiter.recheck('model:a')
  expect(await waiting).toMatchObject({ granted: true })
  expect(clock.pendingTimers()).toBe(0)
})
