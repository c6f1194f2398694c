import { describe, expect, it } from 'vitest'
import { endureOutage } from './outage.ts'

const tenMinutesDown = { perSecond: 50, seconds: 600 }

describe.each([
  ['a single model', ['a']],
  ['a chain of three', ['a', 'b', 'c']],
])('a total outage of %s for ten minutes at 50 calls a second', (_, models) => {
  it.each([
    [false as const, 0],
    [false as const, 240],
    [{}, 0],
    [{}, 240],
  ])('costs 1.1 requests a call and model at the most (breaker %o, warmed up %i s)', async (breaker, warmUpSeconds) => {
    const result = await endureOutage({ ...tenMinutesDown, models, warmUpSeconds, breaker })
    for (const requests of result.requestsPerCall) expect(requests).toBeLessThanOrEqual(1.1)
    expect(result.firstAnswerMs).toBeLessThan(result.untilProbeMs + 3_000)
    expect(result.lastFailureMs).toBeLessThan(result.untilProbeMs + 3_000)
    expect(result.untilProbeMs).toBeLessThanOrEqual(300_000)
  })
})
