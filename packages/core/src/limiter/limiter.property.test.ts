import { createFakeClock, seededRandom } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { createMemoryStore } from '../store/memory.ts'
import { createLimiter } from './limiter.ts'
import { createLimits } from './limits.ts'

const windowMs = 60_000
const priorities = [1, 2, 3, 4, 5] as const

it('never lets more requests through in any 60 seconds than the limit, whatever comes', async () => {
  const call = fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20_000 })),
    lastsMs: fc.integer({ min: 0, max: 90_000 }),
    ends: fc.constantFrom('settle', 'release', 'never'),
    mayWait: fc.boolean(),
    priority: fc.constantFrom(...priorities),
    abortAfterMs: fc.option(fc.integer({ min: 0, max: 30_000 })),
    deadlineMs: fc.option(fc.integer({ min: 0, max: 90_000 })),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), async (calls, limit) => {
      const clock = createFakeClock()
      const store = createMemoryStore({ clock })
      const limiter = createLimiter({ store, clock })
      const limits = createLimits('a', { requestsPerMinute: limit, concurrency: limit + 1 })
      const sentAt: number[] = []
      let arrivesAt = 0
      for (const [index, { afterMs, lastsMs, ends, mayWait, priority, abortAfterMs, deadlineMs }] of calls.entries()) {
        arrivesAt += afterMs
        clock.setTimeout(() => void arrive(), arrivesAt)

        async function arrive() {
          const controller = new AbortController()
          if (abortAfterMs !== null) clock.setTimeout(() => controller.abort(), abortAfterMs)
          const deadline = deadlineMs === null ? Infinity : clock.now() + deadlineMs
          const request = { id: `${index}`, limits, tokens: 1, mayWait, priority, deadline, signal: controller.signal }
          const answer = await Promise.resolve(limiter.acquire(request)).catch(() => undefined)
          if (!answer?.granted) return
          if (ends !== 'release') sentAt.push(clock.now())
          if (ends === 'never') return
          if (ends === 'release') void answer.release()
          else clock.setTimeout(() => void answer.settle({ tokens: 1 }), lastsMs)
        }
      }
      await clock.advance(arrivesAt + 1_200_000)
      expect(mostInAnyWindow(sentAt)).toBeLessThanOrEqual(limit)
      expect(limiter.waiting().size).toBe(0)
      expect(clock.pendingTimers()).toBe(0)
    }),
    { numRuns: 60 },
  )
})

it.each([
  ['short calls', 2_000],
  ['calls longer than the window', 90_000],
])(
  'leaves at least 95 % of a token limit usable under overload by %s when estimates are within 5 %%',
  async (_, lastsMs) => {
    const clock = createFakeClock()
    const random = seededRandom(11)
    const store = createMemoryStore({ clock })
    const limiter = createLimiter({ store, clock, queue: { maximumWaiting: 200 } })
    const tokensPerMinute = 1_000_000
    const limits = createLimits('a', { tokensPerMinute })
    const used: { at: number; tokens: number }[] = []

    const arrive = async (id: string) => {
      const estimated = 500 + Math.floor(random() * 9_000)
      const tokens = Math.round(estimated * (0.95 + random() * 0.1))
      const answer = await limiter.acquire({ id, limits, tokens: estimated, deadline: clock.now() + 30_000 })
      if (!answer.granted) return
      used.push({ at: clock.now(), tokens })
      clock.setTimeout(() => void answer.settle({ tokens }), lastsMs)
    }
    const minutes = 10
    // Offers 150 % of the limit in calls of 500 to 9,500 tokens.
    for (let arrival = 0; arrival < minutes * 300; arrival++) {
      clock.setTimeout(() => void arrive(`${arrival}`), arrival * (windowMs / 300))
    }
    await clock.advance(minutes * windowMs)
    const steady = used.filter(({ at }) => at >= windowMs && at < (minutes - 1) * windowMs)
    const share = steady.reduce((sum, { tokens }) => sum + tokens, 0) / (tokensPerMinute * (minutes - 2))
    expect(share).toBeGreaterThanOrEqual(0.95)
    expect(share).toBeLessThanOrEqual(1.05)
  },
)

function mostInAnyWindow(instants: readonly number[]): number {
  const sorted = instants.toSorted((left, right) => left - right)
  return Math.max(0, ...sorted.map((start) => sorted.filter((at) => at >= start && at < start + windowMs).length))
}
