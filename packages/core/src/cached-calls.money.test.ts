import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import type { RouterOptions } from './config/options.ts'
import type { Provider } from './providers/provider.ts'
import { noUsage, plainReply, readBody, streamReply } from './reply.ts'
import { createRouter } from './router.ts'
import { PushStream } from './stream.ts'
import type { Attempt, Ended, Reply } from './types.ts'

const clock = createFakeClock()
const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const
/** 10 nano-USD for a token of output. */
const price = { input: 0, output: 0.01 }
const usage = { ...noUsage, outputTokens: 30 }
const costNanoUsd = 300

/** An answer under way: the test says when it ends. */
class Upstream {
  readonly reply: Promise<Reply>
  readonly attempt: Attempt
  private settle: ((ended: Ended) => void) | undefined
  private readonly body: PushStream

  constructor(attempt: Attempt) {
    this.attempt = attempt
    const ended = new Promise<Ended>((resolve) => (this.settle = resolve))
    const cancel = () => this.end('cancelled')
    this.body = new PushStream({ pause: () => undefined, resume: () => undefined, cancel })
    attempt.signal.addEventListener('abort', cancel)
    this.reply = attempt.call.request.parameters.stream
      ? Promise.resolve(streamReply({ ...head, body: this.body, ended, cancel }))
      : ended.then((how) => ({ ...plainReply({ ...head, body: Buffer.from('whole') }), ended: Promise.resolve(how) }))
  }

  push(text: string): void {
    this.body.push(Buffer.from(text))
  }

  end(how: Ended['how'] = 'complete'): void {
    this.body.end()
    this.settle!({ how, usage, estimated: false })
  }
}

function boxed(options: Partial<RouterOptions> = {}) {
  const upstreams: Upstream[] = []
  const send = (attempt: Attempt) => {
    const upstream = new Upstream(attempt)
    upstreams.push(upstream)
    return upstream.reply
  }
  const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'own', send }) }
  const router = createRouter({
    models: { a: { provider, price } },
    budgets: [{ per: 'user', limitUsd: 1e-6, window: 'day' }],
    cache: { per: 'team' },
    ledger: 'memory',
    retry: false,
    clock,
    ...options,
  })
  const ask = (user: string, extra: object = {}, signal?: AbortSignal) => {
    const body = { model: 'a', temperature: 0, max_tokens: 100, messages: [{ role: 'user', content: 'hi' }], ...extra }
    return router.handle({ body, identity: { team: 't', user }, ...(signal && { signal }) })
  }
  const spentBy = async (user: string) => {
    const [status] = await router.budgets({ identity: { user } })
    return [status!.settledUsd, status!.heldUsd].map((usd) => Math.round(Number(usd) * 1e9))
  }
  const charged = () => router.ledger!.totals('user').map(({ group, costNanoUsd: cost }) => [group, Number(cost)])
  /** What the ledger has of the cache in each call, by who made it. */
  const cached = () =>
    Object.fromEntries(
      [...router.ledger!.calls()].map(({ identity, decision }) => [
        identity.user,
        (decision as { cache?: object }).cache,
      ]),
    )
  return { upstreams, router, ask, spentBy, charged, cached }
}

const textOf = async (reply: Promise<Reply>) => Buffer.from(await readBody(await reply)).toString()
const followers = Array.from({ length: 20 }, (_, index) => `follower ${index}`)

describe('calls that ask the same at the same time', () => {
  it.each([{ stream: false }, { stream: true }])('cost the first of them alone, once: %j', async (extra) => {
    const { upstreams, router, ask, spentBy, charged, cached } = boxed()
    const replies = ['leader', ...followers].map((user) => textOf(ask(user, extra)))
    await clock.settle()
    expect(upstreams).toHaveLength(1)
    expect(await spentBy('leader')).toEqual([0, 1_000])
    upstreams[0]!.push('whole')
    await clock.advance(2_000)
    const late = textOf(ask('late', extra))
    await clock.advance(1_000)
    upstreams[0]!.end()
    expect(new Set(await Promise.all([...replies, late]))).toEqual(new Set(['whole']))
    await clock.settle()
    expect(charged()).toEqual([['leader', costNanoUsd]])
    expect(await spentBy('leader')).toEqual([costNanoUsd, 0])
    for (const user of [...followers, 'late']) expect(await spentBy(user)).toEqual([0, 0])
    const saved = { outcome: 'joined', layer: 'memory', ageMs: 0, bytes: 5, savedNanoUsd: costNanoUsd }
    expect(cached()).toEqual({
      leader: { outcome: 'miss' },
      ...Object.fromEntries(followers.map((user) => [user, { ...saved, savedMs: 0 }])),
      late: { ...saved, savedMs: 2_000 },
    })
    expect(router.status().cache).toMatchObject({ misses: 1, joined: 21, savedUsd: '0.0000063', savedMs: 2_000 })
  })

  it('cost the first of them also when it has left, and others remain', async () => {
    const { upstreams, ask, spentBy, charged, cached } = boxed()
    const leaving = new AbortController()
    const leader = ask('leader', { stream: true }, leaving.signal)
    const others = followers.map((user) => textOf(ask(user, { stream: true })))
    await clock.settle()
    upstreams[0]!.push('one ')
    await leader
    leaving.abort()
    expect((await (await leader).ended).how).toBe('cancelled')
    expect(await spentBy('leader')).toEqual([0, 1_000])
    upstreams[0]!.push('two')
    upstreams[0]!.end()
    expect(new Set(await Promise.all(others))).toEqual(new Set(['one two']))
    await clock.settle()
    expect(upstreams).toHaveLength(1)
    expect(charged()).toEqual([['leader', costNanoUsd]])
    expect(await spentBy('leader')).toEqual([costNanoUsd, 0])
    for (const user of followers) expect(await spentBy(user)).toEqual([0, 0])
    expect(cached()).toMatchObject(
      Object.fromEntries(followers.map((user) => [user, { outcome: 'joined', savedNanoUsd: costNanoUsd }])),
    )
  })

  it('cost the first of them what was used when all of them have left', async () => {
    const { upstreams, ask, spentBy, charged } = boxed()
    const replies = ['leader', 'follower'].map((user) => ask(user, { stream: true }))
    await clock.settle()
    upstreams[0]!.push('one ')
    for (const reply of replies) (await reply).cancel()
    await clock.settle()
    expect(charged()).toEqual([['leader', costNanoUsd]])
    expect(await spentBy('leader')).toEqual([costNanoUsd, 0])
    expect(await spentBy('follower')).toEqual([0, 0])
  })

  it('cost the next of them where the first one may not spend it, and nobody else', async () => {
    const { upstreams, ask, charged, spentBy } = boxed()
    const before = ask('poor', { seed: 1 })
    await clock.settle()
    upstreams[0]!.end()
    await before
    const replies = ['poor', 'rich', 'other'].map((user) => ask(user))
    await expect(replies[0]).rejects.toMatchObject({ code: 'budget_exceeded' })
    await clock.settle()
    expect(upstreams).toHaveLength(2)
    upstreams[1]!.end()
    await Promise.all(replies.slice(1))
    await clock.settle()
    expect(charged()).toEqual([
      ['poor', costNanoUsd],
      ['rich', costNanoUsd],
    ])
    expect(await spentBy('other')).toEqual([0, 0])
  })
})

describe('an answer made anew behind the back of a call', () => {
  it('costs the caller that got the old one, once, and those who join it nothing', async () => {
    const { upstreams, ask, charged, spentBy } = boxed({
      cache: { per: 'team', ttlMs: 1_000, staleWhileRevalidateMs: 60_000 },
    })
    const first = ask('first')
    await clock.settle()
    upstreams[0]!.end()
    await first
    await clock.advance(2_000)
    await Promise.all([textOf(ask('second')), textOf(ask('third'))])
    await clock.settle()
    expect(upstreams).toHaveLength(2)
    expect(await spentBy('second')).toEqual([0, 1_000])
    upstreams[1]!.end()
    await clock.settle()
    expect(charged()).toEqual([
      ['first', costNanoUsd],
      ['second', costNanoUsd],
    ])
    expect(await spentBy('second')).toEqual([costNanoUsd, 0])
    expect(await spentBy('third')).toEqual([0, 0])
  })
})
