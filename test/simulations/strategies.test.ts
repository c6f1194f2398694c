import { describe, expect, it, vi } from 'vitest'
import { type SentCall, all, simulate } from './simulation.ts'

vi.setConfig({ testTimeout: 60_000 })

const names = ['a', 'b', 'c']
const fast = { latencyMs: { p50: 400, p99: 800 } }
const alike = { a: fast, b: fast, c: fast }

/** The share of the calls sent between two seconds that a model answered. */
function shareOf(name: string, calls: readonly SentCall[], [from, to]: readonly [number, number]): number {
  const sent = calls.filter(({ sentMs }) => sentMs >= from * 1_000 && sentMs < to * 1_000)
  return sent.filter(({ model }) => model === name).length / sent.length
}

describe('least-latency', () => {
  const leastLatency = (models: Parameters<typeof simulate>[0]['models'], health?: false) =>
    simulate({
      models,
      routes: { [all]: { strategy: 'least-latency', models: names } },
      ...(health === false && { health }),
    })

  it.each([{}, { 'retry-after': '1' }])(
    'sends almost nothing to a model that answers 429 in 1 ms (%o)',
    async (headers) => {
      const { upstreams, calls, offer } = leastLatency(alike, false)
      upstreams['b']!.fail({ status: 429, headers })
      await offer({ perSecond: 20, seconds: 120 })
      expect(upstreams['b']!.counts.requests).toBeGreaterThan(0)
      expect(upstreams['b']!.counts.requests / calls.length).toBeLessThan(0.025)
      expect(calls.filter(({ error }) => error)).toEqual([])
      upstreams['b']!.heal()
      await offer({ perSecond: 20, seconds: 60 })
      expect(shareOf('b', calls, [150, 180])).toBeGreaterThan(0.2)
    },
  )

  it('takes traffic from a model that becomes ten times slower within seconds, and gives it back when it recovers', async () => {
    const { upstreams, calls, offer } = leastLatency(alike, false)
    await offer({ perSecond: 20, seconds: 30 })
    upstreams['b']!.latencyScale = 10
    await offer({ perSecond: 20, seconds: 40 })
    upstreams['b']!.latencyScale = 1
    await offer({ perSecond: 20, seconds: 50 })
    expect(shareOf('b', calls, [10, 30])).toBeGreaterThan(0.25)
    expect(shareOf('b', calls, [33, 70])).toBeLessThan(0.03)
    expect(shareOf('b', calls, [100, 120])).toBeGreaterThan(0.25)
  })

  it('spreads calls over models alike, and does not run to the one that is back', async () => {
    const { upstreams, calls, offer } = leastLatency(alike, false)
    await offer({ perSecond: 20, seconds: 30 })
    upstreams['b']!.latencyScale = 10
    await offer({ perSecond: 20, seconds: 20 })
    upstreams['b']!.latencyScale = 1
    await offer({ perSecond: 20, seconds: 50 })
    for (const name of names) {
      for (let second = 10; second < 100; second += 5) {
        expect(shareOf(name, calls, [second, second + 5])).toBeLessThan(0.75)
      }
      expect(upstreams[name]!.mostInFlight).toBeLessThan(20)
    }
  })

  it('gives a model that health has put last its traffic back once the slow calls have left the window', async () => {
    const { upstreams, calls, router, offer } = leastLatency(alike)
    await offer({ perSecond: 10, seconds: 20 })
    upstreams['b']!.latencyScale = 10
    await offer({ perSecond: 10, seconds: 20 })
    upstreams['b']!.latencyScale = 1
    expect(router.status().models[1]!.health!.state).toBe('unhealthy')
    await offer({ perSecond: 10, seconds: 360 })
    expect(shareOf('b', calls, [40, 300])).toBeLessThan(0.03)
    expect(shareOf('b', calls, [360, 400])).toBeGreaterThan(0.2)
  })

  it('sends a burst of a hundred calls to all of them', async () => {
    const { clock, upstreams, offer, send } = leastLatency(alike, false)
    await offer({ perSecond: 20, seconds: 20 })
    const before = names.map((name) => upstreams[name]!.counts.requests)
    for (let call = 0; call < 100; call++) send()
    await clock.advance(0)
    const taken = names.map((name, index) => upstreams[name]!.counts.requests - before[index]!)
    for (const number of taken) expect(number).toBeGreaterThan(15)
  })
})

describe('weighted', () => {
  it('sends calls in proportion, less to a model that says 429, and the whole share again after a time', async () => {
    const { clock, upstreams, router, offer } = simulate({
      models: { a: fast, b: fast },
      routes: {
        [all]: {
          strategy: 'weighted',
          models: [
            { model: 'a', weight: 60 },
            { model: 'b', weight: 40 },
          ],
        },
      },
    })
    await offer({ perSecond: 20, seconds: 100 })
    const { a, b } = upstreams
    expect(a!.counts.requests / (a!.counts.requests + b!.counts.requests)).toBeCloseTo(0.6, 1)
    a!.fail({ status: 429, headers: { 'retry-after-ms': '10' } })
    while (a!.counts.failed === 0) await offer({ perSecond: 20, seconds: 0.05 })
    a!.heal()
    const share = () => router.status().models[0]!.weightShare
    expect(share()).toBeCloseTo(0.8, 2)
    await clock.advance(30_000)
    expect(share()).toBeCloseTo(0.8 ** 0.5, 2)
    await clock.advance(300_000)
    expect(share()).toBeCloseTo(1, 3)
  })

  it('draws by the weight that is left while 429s go on', async () => {
    const { upstreams, router, calls, offer } = simulate({
      models: { a: { ...fast, limits: { requestsPerMinute: 120, headers: false }, errorMs: 20 }, b: fast },
      routes: {
        [all]: {
          strategy: 'weighted',
          models: [
            { model: 'a', weight: 50 },
            { model: 'b', weight: 50 },
          ],
        },
      },
    })
    await offer({ perSecond: 10, seconds: 180 })
    const { limited, requests } = upstreams['a']!.counts
    expect(limited).toBeGreaterThan(5)
    expect(requests / calls.length).toBeLessThan(0.35)
    expect(router.status().models[0]!.weightShare).toBeLessThan(0.8)
    expect(calls.filter(({ error }) => error)).toEqual([])
  })
})

describe('round-robin', () => {
  it('shares the turns of a model with an open breaker evenly among the others, and owes it none afterwards', async () => {
    const { clock, upstreams, router, offer } = simulate({
      models: { ...alike, d: fast },
      routes: { [all]: { strategy: 'round-robin', models: [...names, 'd'] } },
      health: false,
    })
    const requests = () => Object.values(upstreams).map(({ counts }) => counts.requests)
    const during = async (seconds: number) => {
      const before = requests()
      await offer({ perSecond: 20, seconds, evenly: true })
      return requests().map((number, index) => number - before[index]!)
    }
    upstreams['b']!.fail({ status: 503 })
    await during(10)
    expect(router.status().models[1]!.breaker!.state).toBe('open')
    const [a, b, c, d] = await during(15)
    expect(b).toBe(0)
    expect(Math.max(a!, c!, d!) - Math.min(a!, c!, d!)).toBeLessThanOrEqual(1)
    upstreams['b']!.heal()
    await clock.advance(30_000)
    await during(5)
    expect(router.status().models[1]!.breaker!.state).toBe('closed')
    const afterwards = await during(20)
    expect(Math.max(...afterwards) - Math.min(...afterwards)).toBeLessThanOrEqual(1)
  })
})
