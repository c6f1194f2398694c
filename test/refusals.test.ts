import { expect, it } from 'vitest'
import {
  type ErrorFixture,
  type Script,
  completion,
  errorBody,
  html,
  inTurn,
  json,
  jsonError,
  refusedPort,
  unresolvableHost,
} from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { describeMounts } from './support/mounts.ts'
import { listenTo, providerKey, routerOver, upstreamThat } from './support/routers.ts'

interface Case {
  readonly fault: string
  readonly script: Script
  /** What the caller is told when there is nothing else to try. */
  readonly status: number
  readonly body: object
  readonly headers?: Record<string, string>
  /** @default the model is asked again */
  readonly attempts?: number
  readonly reason: string
  readonly alert?: string
}

const error = (fixture: ErrorFixture) => errorBody(fixture)
const ours = (type: string, code: string) => ({ error: { message: expect.any(String), type, param: null, code } })
const final = { 'x-should-retry': 'false' }
const overload = { message: 'Too much', type: 'server_error', code: 'server_is_overloaded' }
const slow = { message: 'Slow down', type: 'requests', code: 'rate_limit_exceeded' }
const broke = { message: 'No money left', type: 'insufficient_quota', code: 'insufficient_quota' }
const spent = {
  type: 'error',
  error: { type: 'rate_limit_error', message: 'Spend limit', details: { error_code: 'enforced_spend_limit_reached' } },
}

const cases: readonly Case[] = [
  {
    fault: '9: a 500 with words of its own',
    script: jsonError(500, { message: 'Oh dear' }),
    status: 500,
    body: error({ message: 'Oh dear' }),
    attempts: 2,
    reason: 'upstream_error',
  },
  {
    fault: '9: a 504 without words',
    script: html(504),
    status: 502,
    body: ours('upstream_error', 'bad_upstream_response'),
    attempts: 2,
    reason: 'bad_upstream_response',
  },
  {
    fault: '10: an overload',
    script: jsonError(503, overload, { 'retry-after-ms': '1' }),
    status: 503,
    body: error(overload),
    headers: { 'retry-after': '1', 'retry-after-ms': '1' },
    attempts: 2,
    reason: 'upstream_overloaded',
  },
  {
    fault: '10: an overload at Anthropic',
    script: jsonError(529, { type: 'overloaded_error', message: 'Overloaded' }),
    status: 529,
    body: error({ type: 'overloaded_error', message: 'Overloaded' }),
    attempts: 2,
    reason: 'upstream_overloaded',
  },
  {
    fault: '11: a web page',
    script: html(502),
    status: 502,
    body: ours('upstream_error', 'bad_upstream_response'),
    attempts: 2,
    reason: 'bad_upstream_response',
  },
  {
    fault: '12: a 408',
    script: jsonError(408, { message: 'Too slow' }),
    status: 408,
    body: error({ message: 'Too slow' }),
    attempts: 2,
    reason: 'upstream_error',
  },
  {
    fault: '15: a rate limit for a moment',
    script: jsonError(429, slow, { 'retry-after-ms': '20', 'retry-after': '9' }),
    status: 429,
    body: error(slow),
    headers: { 'retry-after': '1', 'retry-after-ms': '20' },
    attempts: 2,
    reason: 'upstream_rate_limited',
  },
  {
    fault: '17: a rate limit for longer than the call',
    script: jsonError(429, slow, { 'retry-after': '3600' }),
    status: 429,
    body: error(slow),
    headers: { 'retry-after': '3600', 'retry-after-ms': '3600000', ...final },
    reason: 'upstream_rate_limited',
  },
  {
    fault: '19: a used-up quota',
    script: jsonError(429, broke),
    status: 429,
    body: error(broke),
    headers: final,
    reason: 'upstream_quota_exhausted',
    alert: 'provider_quota',
  },
  ...['credit_balance_exhausted', 'project_spend_limit_exceeded', 'organization_usage_limit_exceeded'].map((code) => ({
    fault: `19: ${code}`,
    script: jsonError(429, { type: 'insufficient_quota', code }),
    status: 429,
    body: error({ type: 'insufficient_quota', code }),
    headers: final,
    reason: 'upstream_quota_exhausted',
    alert: 'provider_quota',
  })),
  {
    fault: '20: a spend limit at Anthropic',
    script: json(spent, { status: 429 }),
    status: 429,
    body: spent,
    headers: final,
    reason: 'upstream_quota_exhausted',
    alert: 'provider_quota',
  },
  ...[401, 403].map((status) => ({
    fault: `21: a refused key, ${status}`,
    script: jsonError(status, { message: `Incorrect API key provided: ${providerKey}`, code: 'invalid_api_key' }),
    status: 502,
    body: ours('upstream_error', 'provider_auth_failed'),
    headers: final,
    reason: 'provider_auth_failed',
    alert: 'provider_auth',
  })),
  {
    fault: '22: a model that is not there',
    script: jsonError(404, { code: 'model_not_found' }),
    status: 502,
    body: ours('upstream_error', 'provider_model_not_found'),
    headers: final,
    reason: 'provider_model_not_found',
    alert: 'provider_model',
  },
]

const told = ['retry-after', 'retry-after-ms', 'x-should-retry'] as const

describeMounts('a refusal', (mount) => {
  it.each(cases)(
    '$fault, is told as it must be where nothing else is there',
    async ({ script, attempts = 1, ...is }) => {
      const upstream = await upstreamThat(script)
      const router = routerOver([upstream], { retry: { maxAttempts: 2 } })

      const answer = await send(await mount.serve(router), { body: chat() })

      expect(answer.status).toBe(is.status)
      expect(answer.json()).toEqual(is.body)
      expect(answer.headers['content-type']).toMatch(/^application\/json/)
      expect(answer.headers['x-request-id']).toBeTruthy()
      for (const name of told) expect(answer.headers[name]).toBe(is.headers?.[name])
      expect(answer.text).not.toContain(providerKey)
      expect(upstream.requests).toHaveLength(attempts)
    },
  )

  it.each(cases)('$fault, goes unnoticed where another model answers', async ({ script, reason, alert }) => {
    const first = await upstreamThat(script)
    const second = await upstreamThat(completion({ content: 'from the second' }))
    const router = routerOver([first, second])
    const events = listenTo(router)

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.json().choices[0].message.content).toBe('from the second')
    expect(answer.headers['x-should-retry']).toBeUndefined()
    expect(first.requests).toHaveLength(1)
    const of = (event: string) => events.filter((one) => one.event === event).map(({ payload }) => payload)
    expect(of('failover')).toMatchObject([{ from: 'first', to: 'second', reason, route: 'auto' }])
    expect(of('alert').map(({ kind }) => kind)).toEqual(alert ? [alert] : [])
    expect(router.status().failovers).toMatchObject([{ from: 'first', to: 'second', reason }])
  })

  it('1, 2: of the connection, is told without an address', async () => {
    const addresses = [`127.0.0.1:${await refusedPort()}`, unresolvableHost]
    for (const address of addresses) {
      const router = routerOver([{ baseUrl: `http://${address}/v1` }])
      const answer = await send(await mount.serve(router), { body: chat() })
      expect(answer.status).toBe(502)
      expect(answer.json()).toEqual(ours('upstream_error', 'upstream_unreachable'))
      expect(answer.text).not.toContain(address)
    }
  })

  it('23: of what the caller sent, is passed on as it came, and nothing else is tried', async () => {
    const first = await upstreamThat(jsonError(400, { message: 'No such field', param: 'temprature' }))
    const second = await upstreamThat(completion({ content: '' }))
    const answer = await send(await mount.serve(routerOver([first, second])), { body: chat() })
    expect(answer.status).toBe(400)
    expect(answer.json()).toEqual(error({ message: 'No such field', param: 'temprature' }))
    expect(second.requests).toHaveLength(0)
  })

  it('of a whole domain holds all that fails together with it, and each call hears of its own attempts only', async () => {
    const upstream = await upstreamThat(jsonError(429, broke))
    const router = routerOver([upstream, upstream])
    const to = await mount.serve(router)

    const answers = [await send(to, { body: chat() }), await send(to, { body: chat() })]

    for (const answer of answers) {
      expect(answer.status).toBe(429)
      expect(answer.json()).toEqual(error(broke))
      expect(answer.headers['x-should-retry']).toBe('false')
    }
    expect(upstream.requests).toHaveLength(1)
    const heldFor = router.status().models.map((model) => model.heldFor)
    expect(heldFor).toEqual(['upstream_quota_exhausted', 'upstream_quota_exhausted'])
    const errors = await Promise.all(
      [1, 2].map(() => router.handle({ body: chat() }).catch((reason: unknown) => reason)),
    )
    expect(errors[0]).not.toBe(errors[1])
    expect(errors).toMatchObject([{ failures: [] }, { failures: [] }])
  })

  it('of a rate limit is waited out where it is short, and the answer comes', async () => {
    const upstream = await upstreamThat(
      inTurn(jsonError(429, slow, { 'retry-after-ms': '60' }), completion({ content: 'ok' })),
    )
    const to = await mount.serve(routerOver([upstream]))
    const answer = await send(to, { body: chat() })
    expect(answer.status).toBe(200)
    const [first, second] = upstream.requests
    expect(second!.receivedAtMs - first!.receivedAtMs).toBeGreaterThanOrEqual(60)
  })
})
