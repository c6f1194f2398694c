import { createFakeClock, seededRandom } from '@signalbox/testkit'
import { expect, it } from 'vitest'
import type { RouterOptions } from '../config/options.ts'
import { SignalboxError } from '../errors.ts'
import { usdOf } from '../money/usd.ts'
import type { Provider } from '../providers/provider.ts'
import { noUsage, plainReply, readBody } from '../reply.ts'
import { createRouter } from '../router.ts'

const hourMs = 3_600_000
const price = { input: 3, output: 9 }

/** Calls of some users about some subjects over some days; whether a model fails, and what it uses, is a matter of the call. */
function scenario(seed: number) {
  const random = seededRandom(seed)
  const below = (count: number) => Math.floor(random() * count)
  return Array.from({ length: 200 }, () => ({
    waitMs: below(20) * 60_000,
    user: `u${below(2)}`,
    content: `subject ${below(3)}`,
    temperature: below(4) === 0 ? 1 : 0,
    fails: { a: below(5) === 0, b: below(5) === 0 },
    usage: { ...noUsage, inputTokens: 1 + below(1_000), outputTokens: below(500) },
  }))
}

/** Makes the calls, one after another, and gives the router. */
async function routerAfter(calls: ReturnType<typeof scenario>, options: Partial<RouterOptions>) {
  const clock = createFakeClock()
  let now = calls[0]!
  const provider: Provider = {
    name: 'own',
    dialect: 'openai-chat',
    connect: (_options, { name }) => ({
      domain: name,
      async send() {
        const { fails, usage } = now
        if (fails[name as 'a' | 'b'])
          throw new SignalboxError('upstream_error', 'It failed', { billed: { usage, estimated: false } })
        const ended = Promise.resolve({ how: 'complete' as const, usage, estimated: false })
        const body = Buffer.from('{}')
        return { ...plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model: name, body }), ended }
      },
    }),
  }
  const models = { a: { provider, price }, b: { provider, price } }
  const routes = { auto: { models: ['a', 'b'] } }
  const router = createRouter({ models, routes, clock, retry: false, breaker: false, ledger: 'memory', ...options })
  for (now of calls) {
    const { waitMs, user, content, temperature } = now
    await clock.advance(waitMs)
    const body = { model: 'auto', temperature, messages: [{ role: 'user', content }] }
    await router
      .handle({ body, identity: { user } })
      .then(readBody)
      .catch(() => undefined)
    await clock.settle()
  }
  return router
}

const spentBy = ({ ledger }: Awaited<ReturnType<typeof routerAfter>>) =>
  [...ledger!.attempts()].reduce((sum, { costNanoUsd = 0n }) => sum + costNanoUsd, 0n)

it.each([1, 2, 3])(
  'lets the ledger tell what a cache would have spared: as much as a cache spares (seed %i)',
  async (seed) => {
    const calls = scenario(seed)
    const without = await routerAfter(calls, { fingerprints: true })
    const found = without.ledger!.recommendations().find(({ kind }) => kind === 'cache_would_hit')
    const cached = await routerAfter(calls, { cache: { ttlMs: hourMs } })
    const spared = spentBy(without) - spentBy(cached)
    expect(spared).toBeGreaterThan(0n)
    expect(found).toMatchObject({ savingsUsd: usdOf(spared), change: { cacheMs: hourMs } })
    expect(found!.attempts).toBe([...without.ledger!.attempts()].length - [...cached.ledger!.attempts()].length)
  },
)

it('keeps none of calls that no cache may answer, and nothing of the prompt', async () => {
  const call = { ...scenario(1)[0]!, fails: { a: false, b: false } }
  const calls = [1, 0].map((temperature) => ({ ...call, temperature }))
  const { ledger } = await routerAfter(calls, { fingerprints: true })
  expect([...ledger!.attempts()].map(({ fingerprint }) => fingerprint)).toEqual([
    undefined,
    expect.stringMatching(/^[\w-]{22}$/),
  ])
})

it('keeps none, and knows of no cache, unless the configuration asks for it', async () => {
  const { ledger } = await routerAfter(scenario(1), {})
  expect([...ledger!.attempts()].filter(({ fingerprint }) => fingerprint !== undefined)).toEqual([])
  expect(ledger!.recommendations().map(({ kind }) => kind)).not.toContain('cache_would_hit')
})
