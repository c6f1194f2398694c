import { describe, expect, it } from 'vitest'
import { createFakeClock } from './fake-clock.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedDispatcher, type SimulatedDispatcherOptions } from './simulated-dispatcher.ts'
import { drawOutages } from './simulated-dispatcher/draw-outages.ts'

const fourHundred = () => ({ inputTokens: 100, outputTokens: 300 })

function setUp(options: Partial<SimulatedDispatcherOptions> = {}) {
  const clock = createFakeClock()
  const upstream = createSimulatedDispatcher({ clock, latencyMs: () => 1_000, ...options })
  const post = async (more: object = {}, signal?: AbortSignal) => {
    const { statusCode, headers, body } = await upstream.request({
      origin: 'http://a.invalid',
      path: '/v1/chat/completions',
      method: 'POST',
      body: JSON.stringify({ model: 'a', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 90, ...more }),
      ...(signal && { signal }),
    })
    return { statusCode, headers, text: await body.text() }
  }
  const answer = async (more?: object) => {
    const answered = post(more)
    await clock.advance(5_000)
    return answered
  }
  return { clock, upstream, post, answer }
}

it('answers after its latency, and says what was used', async () => {
  const { clock, upstream, post } = setUp()
  const answered = post()
  await clock.advance(999)
  expect(upstream.counts).toMatchObject({ requests: 1, answered: 0 })
  expect(upstream.inFlight).toBe(1)
  await clock.advance(1)
  const { statusCode, text } = await answered
  expect(statusCode).toBe(200)
  expect(JSON.parse(text)).toMatchObject({ model: 'a', usage: { completion_tokens: 90 } })
  expect(upstream.counts).toMatchObject({ requests: 1, answered: 1 })
  expect(upstream.inFlight).toBe(0)
  expect(upstream.journal).toMatchObject([{ atMs: 0, model: 'a', outcome: 'answered' }])
})

it('streams its first content before the rest', async () => {
  const { clock, upstream } = setUp({ firstTokenShare: 0.2 })
  const pieces: { atMs: number; text: string }[] = []
  upstream.dispatch(
    {
      origin: 'http://a.invalid',
      path: '/',
      method: 'POST',
      body: JSON.stringify({ stream: true }),
    },
    { onResponseData: (_, chunk) => void pieces.push({ atMs: clock.now(), text: chunk.toString() }) },
  )
  await clock.advance(1_000)
  expect(pieces.map(({ atMs }) => atMs)).toEqual([200, 1_000])
  expect(pieces[0]!.text).toContain('"content":"A"')
  expect(pieces[1]!.text).toContain('data: [DONE]')
})

it('answers a question apart from calls', async () => {
  const { clock, upstream } = setUp()
  const asked = upstream.request({ origin: 'http://a.invalid', path: '/v1/models', method: 'GET' })
  await clock.advance(1)
  expect((await asked).statusCode).toBe(200)
  expect(upstream.counts).toMatchObject({ requests: 0, questions: 1 })
})

it('lets go of a request that is aborted', async () => {
  const { clock, upstream, post } = setUp()
  const leaving = new AbortController()
  const answered = post({}, leaving.signal)
  leaving.abort()
  await expect(answered).rejects.toThrow('aborted')
  expect(upstream.counts).toMatchObject({ aborted: 1, answered: 0 })
  expect(clock.pendingTimers()).toBe(0)
})

describe('when it fails', () => {
  it('answers with the status, the headers and the body it was given', async () => {
    const { upstream, answer } = setUp()
    upstream.fail({ status: 429, headers: { 'retry-after': '1' }, body: { error: { code: 'slow_down' } } })
    const { statusCode, headers, text } = await answer()
    expect({ statusCode, after: headers['retry-after'], body: JSON.parse(text) }).toEqual({
      statusCode: 429,
      after: '1',
      body: { error: { code: 'slow_down' } },
    })
    upstream.heal()
    expect((await answer()).statusCode).toBe(200)
    expect(upstream.counts).toMatchObject({ failed: 1, answered: 1 })
  })

  it('refuses connections, or falls silent', async () => {
    const { clock, upstream, post } = setUp()
    upstream.fail('refuse')
    const refused = post().catch((error: unknown) => error)
    await clock.advance(1)
    expect(await refused).toMatchObject({ code: 'ECONNREFUSED' })
    upstream.fail('hang')
    void post().catch(() => undefined)
    await clock.advance(1_000_000)
    expect(upstream.inFlight).toBe(1)
  })

  it('does so in its outages and at no other time', async () => {
    const { clock, answer } = setUp({ outages: [{ fromMs: 10_000, untilMs: 20_000, fault: { status: 500 } }] })
    const statuses: number[] = []
    for (const _ of [0, 5, 10, 15, 20]) statuses.push((await answer()).statusCode)
    expect(clock.now()).toBe(25_000)
    expect(statuses).toEqual([200, 200, 500, 500, 200])
  })
})

describe.each(['sliding-window', 'token-bucket'] as const)('with a %s of its own', (method) => {
  it('takes what its limits allow and refuses the rest until the time it tells', async () => {
    const { clock, upstream, post } = setUp({ limits: { requestsPerMinute: 10, method }, errorMs: 1 })
    const answers = Array.from({ length: 12 }, () => post())
    await clock.advance(2_000)
    const settled = await Promise.all(answers)
    expect(settled.map(({ statusCode }) => statusCode)).toEqual([...Array<number>(10).fill(200), 429, 429])
    const waitMs = Number(settled[11]!.headers['retry-after-ms'])
    expect(waitMs).toBe(method === 'sliding-window' ? 60_000 : 6_000)
    await clock.advance(waitMs - 2_000)
    const [first, second] = [post(), post()]
    await clock.advance(1_000)
    expect([(await first).statusCode, (await second).statusCode]).toEqual(
      method === 'sliding-window' ? [200, 200] : [200, 429],
    )
    expect(upstream.counts.limited).toBe(method === 'sliding-window' ? 2 : 3)
  })

  it('counts tokens when a request comes, and tells what is left', async () => {
    const { clock, post } = setUp({ limits: { tokensPerMinute: 1_000, method }, usage: fourHundred })
    const answers = [post(), post(), post()]
    await clock.advance(2_000)
    const [first, second, third] = await Promise.all(answers)
    expect(first!.headers).toMatchObject({ 'x-ratelimit-limit-tokens': '1000', 'x-ratelimit-remaining-tokens': '600' })
    expect(second!.headers).toMatchObject({ 'x-ratelimit-remaining-tokens': '200' })
    expect(third!.statusCode).toBe(429)
    expect(JSON.parse(third!.text)).toMatchObject({ error: { type: 'tokens', code: 'rate_limit_exceeded' } })
  })
})

describe('drawing outages', () => {
  const day = 86_400_000

  it.each([1, 2, 3])('fills the share of the time it is given exactly (seed %i)', (seed) => {
    const outages = drawOutages({ random: seededRandom(seed), spanMs: 28 * day, downShare: 0.005 })
    const downMs = outages.reduce((sum, { fromMs, untilMs }) => sum + untilMs - fromMs, 0)
    expect(downMs).toBeCloseTo(28 * day * 0.005, 3)
    expect(outages.length).toBeGreaterThan(1)
    for (const [index, { fromMs }] of outages.entries()) {
      expect(fromMs).toBeGreaterThanOrEqual(outages[index - 1]?.untilMs ?? 0)
    }
    expect(outages.at(-1)!.untilMs).toBeLessThanOrEqual(28 * day)
  })

  it('draws none for an uptime of 100 %, and asks each for its fault', () => {
    const random = seededRandom(1)
    expect(drawOutages({ random, spanMs: day, downShare: 0 })).toEqual([])
    const outages = drawOutages({ random, spanMs: day, downShare: 0.1, fault: () => 'hang' })
    expect(new Set(outages.map(({ fault }) => fault))).toEqual(new Set(['hang']))
    expect(() => drawOutages({ random, spanMs: day, downShare: 2 })).toThrow('downShare')
  })
})
