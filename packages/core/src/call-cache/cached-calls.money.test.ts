import { type FakeClock, completionBody, createFakeClock, streamEvents } from '@signalbox/testkit'
import { beforeEach, describe, expect, it } from 'vitest'
import type { RouterOptions } from '../config/options.ts'
import type { Provider } from '../providers/provider.ts'
import { noUsage, plainReply, readBody, streamReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import { PushStream } from '../stream.ts'
import type { Attempt, Ended, Reply, Usage } from '../types.ts'

let clock: FakeClock

beforeEach(() => {
  clock = createFakeClock()
})
const head = { status: 200, headers: {}, dialect: 'openai-chat' } as const
/** 10 nano-USD for a token of output. */
const price = { input: 0, output: 0.01 }
const usage = { ...noUsage, outputTokens: 30 }
const costNanoUsd = 300

/** An answer under way: the test says when it ends. */
class Upstream {
  readonly reply: Promise<Reply>
  readonly attempt: Attempt
  private whole: Uint8Array = Buffer.from('whole')
  private commit = () => undefined as void
  private settle: ((ended: Ended) => void) | undefined
  private readonly body: PushStream

  constructor(attempt: Attempt) {
    this.attempt = attempt
    const { name: model } = attempt.candidate
    const ended = new Promise<Ended>((resolve) => (this.settle = resolve))
    const cancel = () => this.end('cancelled')
    this.body = new PushStream({ pause: () => undefined, resume: () => undefined, cancel })
    attempt.signal.addEventListener('abort', cancel)
    this.reply = attempt.call.request.parameters.stream
      ? new Promise(
          (resolve) => (this.commit = () => resolve(streamReply({ ...head, model, body: this.body, ended, cancel }))),
        )
      : ended.then((how) => ({ ...plainReply({ ...head, model, body: this.whole }), ended: Promise.resolve(how) }))
  }

  /** The most that it may write. */
  get maximum(): number | undefined {
    return this.attempt.call.request.parameters.maxOutputTokens
  }

  /** Says this, and why it stopped. */
  say(content: string, finishReason: string): void {
    this.whole = Buffer.from(JSON.stringify(completionBody({ content, finishReason })))
    for (const event of streamEvents({ content: [content], finishReason })) this.push(event)
    this.end()
  }

  push(text: string): void {
    this.commit()
    this.body.push(Buffer.from(text))
  }

  end(how: Ended['how'] = 'complete', used: Usage = usage): void {
    this.body.end()
    this.settle!({ how, usage: used, estimated: false })
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
    models: { a: { provider, price }, b: { provider, price } },
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

/** A router at which some callers have money for 100 tokens, and all others for many. */
async function withPoor(poor: readonly string[], options: Partial<RouterOptions> = {}) {
  const box = boxed({ budgets: [{ per: 'user', limitUsd: 1e-3, window: 'day' }], ...options })
  for (const [index, user] of poor.entries()) {
    const spent = box.ask(user, { seed: index, max_tokens: 99_900 })
    await clock.settle()
    box.upstreams[index]!.end('complete', { ...noUsage, outputTokens: 99_900 })
    await spent
  }
  await clock.settle()
  box.upstreams.length = 0
  /** Asks without a limit of its own. */
  const ask = (user: string, stream: boolean, extra: object = {}) =>
    textOf(box.ask(user, { max_tokens: undefined, stream, ...extra }))
  return { ...box, ask }
}

describe.each([{ stream: false }, { stream: true }])('an answer that stops where the money did, %j', ({ stream }) => {
  it('is not kept for those who have more', async () => {
    const { upstreams, router, ask } = await withPoor(['poor'])
    const short = ask('poor', stream)
    await clock.settle()
    upstreams[0]!.say('Once', 'length')
    expect(await short).toContain('Once')
    const whole = ask('rich', stream)
    await clock.settle()
    expect(upstreams.map(({ maximum }) => maximum)).toEqual([100, 16_384])
    upstreams[1]!.say('Once upon a time', 'stop')
    expect(await whole).toContain('Once upon a time')
    expect(await ask('poor', stream)).toContain('Once upon a time')
    expect(router.status().cache).toMatchObject({ hits: 1 })
  })

  it('is kept where the model came to its end before', async () => {
    const { upstreams, ask } = await withPoor(['poor'])
    const short = ask('poor', stream)
    await clock.settle()
    upstreams[0]!.say('No.', 'stop')
    await short
    expect(await ask('rich', stream)).toContain('No.')
    expect(upstreams).toHaveLength(1)
  })

  it('is for the one alone who asked: those who waited with it ask together once', async () => {
    const { upstreams, ask, charged } = await withPoor(['poor'])
    const short = ask('poor', stream)
    const others = followers.map((user) => ask(user, stream))
    await clock.settle()
    upstreams[0]!.say('Once', 'length')
    expect(await short).toContain('Once')
    await clock.settle()
    expect(upstreams.map(({ maximum }) => maximum)).toEqual([100, 16_384])
    upstreams[1]!.say('Once upon a time', 'stop')
    for (const text of await Promise.all(others)) expect(text).toContain('Once upon a time')
    await clock.settle()
    expect(new Map(charged() as [string, number][])).toEqual(
      new Map([
        ['poor', 999_000 + costNanoUsd],
        ['follower 0', costNanoUsd],
      ]),
    )
  })

  it('keeps none of those waiting who have no more: they wait twice at the most', async () => {
    const poor = followers.slice(0, 5)
    const { upstreams, ask } = await withPoor(poor)
    const short = poor.map((user) => ask(user, stream))
    for (const under of [1, 2, 5]) {
      await clock.settle()
      expect(upstreams).toHaveLength(under)
      for (const upstream of upstreams) upstream.say('Once', 'length')
    }
    for (const text of await Promise.all(short)) expect(text).toContain('Once')
  })

  it('is for nobody when the one has left who asked', async () => {
    const { upstreams, ask, router } = await withPoor(['poor'])
    const leaving = new AbortController()
    const body = { model: 'a', temperature: 0, stream, messages: [{ role: 'user', content: 'hi' }] }
    const left = router.handle({ body, identity: { team: 't', user: 'poor' }, signal: leaving.signal })
    const others = [ask('rich', stream)]
    await clock.settle()
    leaving.abort()
    await (
      await left.catch(() => undefined)
    )?.ended
    expect(upstreams[0]!.attempt.signal.aborted).toBe(false)
    upstreams[0]!.push('Once')
    await clock.settle()
    expect(upstreams[0]!.attempt.signal.aborted).toBe(stream)
    upstreams[0]!.say('Once', 'length')
    await clock.settle()
    upstreams[1]!.say('Once upon a time', 'stop')
    for (const text of await Promise.all(others)) expect(text).toContain('Once upon a time')
  })

  it('is shared by calls of one identity, and not kept', async () => {
    const { upstreams, ask, charged } = await withPoor(['poor'], { cache: {} })
    const short = [ask('poor', stream), ask('poor', stream), ask('poor', stream)]
    await clock.settle()
    upstreams[0]!.say('Once', 'length')
    for (const text of await Promise.all(short)) expect(text).toContain('Once')
    void ask('poor', stream)
    await clock.settle()
    expect(upstreams).toHaveLength(2)
    expect(charged()).toEqual([['poor', 999_000 + costNanoUsd]])
  })
})

describe('callers that share answers, and wait for each other', () => {
  it('are not answered by the route that one of them is sent to for want of money', async () => {
    const { upstreams, router, ask } = boxed({
      routes: { auto: { models: ['a'] }, low: { models: ['b'] } },
      budgets: [{ per: 'user', limitUsd: 1e-5, window: 'day', degrade: { at: 0.01, routes: { auto: 'low' } } }],
    })
    const spent = ask('poor', { seed: 1, model: 'auto' })
    await clock.settle()
    upstreams[0]!.end()
    await spent
    const replies = ['poor', 'rich', 'other'].map((user) => ask(user, { model: 'auto' }))
    await clock.settle()
    upstreams[1]!.end()
    await clock.settle()
    upstreams[2]!.end()
    expect((await Promise.all(replies)).map(({ model }) => model)).toEqual(['b', 'a', 'a'])
    expect(upstreams).toHaveLength(3)
    expect(router.status().cache).toMatchObject({ joined: 1 })
  })

  it('are not answered by what stops where the bound of another call does', async () => {
    const { upstreams, router } = boxed({ cache: {}, budgets: [] })
    const ask = (maxCostUsd?: number) => {
      const body = { model: 'a', temperature: 0, messages: [{ role: 'user', content: 'hi' }] }
      return textOf(router.handle({ body, maxCostUsd }))
    }
    const replies = [ask(1e-6), ask(), ask(1e-6)]
    await clock.settle()
    expect(upstreams.map(({ maximum }) => maximum)).toEqual([100, undefined])
    upstreams[0]!.say('Once', 'length')
    upstreams[1]!.say('Once upon a time', 'stop')
    const texts = await Promise.all(replies)
    expect(texts.map((text) => JSON.parse(text).choices[0].message.content)).toEqual([
      'Once',
      'Once upon a time',
      'Once',
    ])
  })

  it('get no answer that was too old before, where the one that they waited for is not kept', async () => {
    const { upstreams, ask } = await withPoor([], { cache: {} })
    const before = ask('poor', false)
    await clock.settle()
    upstreams[0]!.say('Of yesterday', 'stop')
    expect(await before).toContain('Of yesterday')
    const spent = ask('poor', false, { max_tokens: 99_870, seed: 1 })
    await clock.settle()
    upstreams[1]!.end('complete', { ...noUsage, outputTokens: 99_870 })
    await spent
    await clock.advance(3_600_000)
    const short = [ask('poor', true), ask('poor', false)]
    await clock.settle()
    upstreams[2]!.say('Once', 'length')
    expect(await short[0]).toContain('Once')
    await clock.settle()
    upstreams[3]!.say('Once', 'length')
    expect(await short[1]).toContain('Once')
  })
})
