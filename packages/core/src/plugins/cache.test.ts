import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FakeClock, createFakeClock } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CallInit } from '../call.ts'
import type { RouterOptions } from '../config/options.ts'
import { SignalboxError } from '../errors.ts'
import type { Plugin } from '../plugin.ts'
import type { Provider } from '../providers/provider.ts'
import { noUsage, plainReply, readBody, streamOf, streamReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import { PushStream } from '../stream.ts'
import type { Attempt, Ended, Handler, Identity, Reply } from '../types.ts'

let clock: FakeClock

beforeEach(() => {
  clock = createFakeClock()
})
const folder = mkdtempSync(join(tmpdir(), 'signalbox-cache-'))
afterAll(() => rmSync(folder, { recursive: true }))
const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const

let made = 0
const numbered: Handler<Attempt> = async () => plainReply({ ...head, body: Buffer.from(`answer ${++made}`) })

function boxed(send: Handler<Attempt> = numbered, options: Partial<RouterOptions> = {}) {
  const asked = vi.fn<Handler<Attempt>>(send)
  const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'own', send: asked }) }
  const models = { a: { provider, price: false as const }, b: { provider, price: false as const } }
  return { asked, router: createRouter({ models, clock, retry: false, cache: {}, ...options }) }
}

const ask = (rest: object = {}, init: Partial<CallInit> = {}): CallInit => ({
  body: { model: 'a', temperature: 0, messages: [{ role: 'user', content: 'hi' }], ...rest },
  ...init,
})
const textOf = async (reply: Promise<Reply>) => Buffer.from(await readBody(await reply)).toString()
const outcomeOf = async (reply: Promise<Reply>) => (await reply).headers['x-signalbox-cache']

/** A stream that the test fills. */
function liveStream(signal: AbortSignal) {
  let settle: ((ended: Ended) => void) | undefined
  const ended = new Promise<Ended>((resolve) => (settle = resolve))
  const end = (how: Ended['how'] = 'complete') => {
    body.end()
    settle!({ how, usage: noUsage, estimated: false })
  }
  const body: PushStream = new PushStream({
    pause: () => undefined,
    resume: () => undefined,
    cancel: () => end('cancelled'),
  })
  signal.addEventListener('abort', () => end('cancelled'))
  const reply = streamReply({ ...head, body, ended, cancel: () => end('cancelled') })
  return { reply, body, end, signal }
}

describe('whoever wants a new answer', () => {
  it('gets one of its own, at the same time too', async () => {
    const { asked, router } = boxed()
    const wanting = () => textOf(router.handle(ask({}, { cacheControl: 'no-cache' })))
    const texts = await Promise.all([wanting(), wanting()])
    expect(new Set(texts).size).toBe(2)
    expect(asked).toHaveBeenCalledTimes(2)
  })
})

describe('how long an answer is given', () => {
  it('is as the configuration says; afterwards it is made anew', async () => {
    const { asked, router } = boxed(undefined, { cache: { ttlMs: 1_000 } })
    const first = await textOf(router.handle(ask()))
    await clock.advance(1_000)
    expect(await textOf(router.handle(ask()))).toBe(first)
    await clock.advance(1)
    expect(await textOf(router.handle(ask()))).not.toBe(first)
    expect(asked).toHaveBeenCalledTimes(2)
  })

  it('is longer while a new one is made, once, behind the back of its callers', async () => {
    const { asked, router } = boxed(undefined, { cache: { ttlMs: 1_000, staleWhileRevalidateMs: 5_000 } })
    const first = await textOf(router.handle(ask()))
    await clock.advance(3_500)
    const replies = await Promise.all([router.handle(ask()), router.handle(ask())])
    expect(replies.map(({ headers }) => [headers['x-signalbox-cache'], headers['age']])).toEqual([
      ['hit', '3'],
      ['hit', '3'],
    ])
    expect(await textOf(Promise.resolve(replies[0]))).toBe(first)
    await clock.settle()
    expect(asked).toHaveBeenCalledTimes(2)
    expect(await textOf(router.handle(ask()))).not.toBe(first)
    expect(router.status().cache).toMatchObject({ hits: 3, stale: 2, misses: 1 })
    await clock.advance(6_001)
    expect(await outcomeOf(router.handle(ask()))).toBe('miss')
  })

  it('is longer no more once the router is closed: what was being made is charged and written down as it ended', async () => {
    const usage = { ...noUsage, inputTokens: 1_000 }
    const { asked, router } = boxed(
      async ({ signal }) => {
        if (asked.mock.calls.length === 1) return plainReply({ ...head, body: Buffer.from('first') })
        return new Promise((_resolve, reject) => {
          const billed = { usage, estimated: false }
          const gone = () => reject(new SignalboxError('cancelled', 'The caller left', { billed }))
          signal.addEventListener('abort', gone)
        })
      },
      { cache: { ttlMs: 1_000, staleWhileRevalidateMs: 5_000 }, ledger: join(folder, 'refreshed.db') },
    )
    await router.handle(ask())
    await clock.advance(2_000)
    expect(await outcomeOf(router.handle(ask()))).toBe('hit')
    await router.close()
    expect(asked).toHaveBeenCalledTimes(2)
    const again = boxed(numbered, { ledger: join(folder, 'refreshed.db') }).router
    const rows = [...again.ledger!.attempts()]
    expect(rows.map(({ outcome, inputTokens }) => [outcome, inputTokens])).toEqual([
      ['ok', expect.any(Number)],
      ['cancelled', 1_000],
    ])
    await again.close()
  })

  it('is cut by the max-age of the caller', async () => {
    const { router } = boxed()
    await router.handle(ask())
    await clock.advance(2_000)
    expect(await outcomeOf(router.handle(ask({}, { cacheControl: 'max-age=2' })))).toBe('hit')
    await clock.advance(1)
    expect(await outcomeOf(router.handle(ask({}, { cacheControl: 'max-age=2' })))).toBe('miss')
  })

  it('is over when the clock was set back, and not when it was corrected by a little', async () => {
    const { router } = boxed()
    await router.handle(ask())
    clock.jumpWallTime(-1_000)
    expect(await outcomeOf(router.handle(ask()))).toBe('hit')
    clock.jumpWallTime(-3_600_000)
    expect(await outcomeOf(router.handle(ask()))).toBe('miss')
    expect(await outcomeOf(router.handle(ask()))).toBe('hit')
    clock.jumpWallTime(3_601_000)
  })
})

describe('who shares an answer', () => {
  it('are never two calls that plugins labelled otherwise: labels choose models', async () => {
    const arms: Plugin = {
      name: 'arms',
      call: { stage: 'classify', run: (call, next) => next({ ...call, labels: { arm: call.identity.tier! } }) },
    }
    const { router, asked } = boxed(undefined, { cache: { per: 'all' }, plugins: [arms] })
    const outcomes: unknown[] = []
    for (const tier of ['one', 'two', 'one'])
      outcomes.push(await outcomeOf(router.handle(ask({}, { identity: { tier } }))))
    expect(outcomes).toEqual(['miss', 'miss', 'hit'])
    expect(asked).toHaveBeenCalledTimes(2)
  })

  const text = fc.constantFrom('', 'a', 'b', 'ada', '["identity"', 'team', '\u0000')
  const identity: fc.Arbitrary<Identity> = fc.record(
    {
      key: text,
      user: text,
      team: text,
      tier: text,
      tags: fc.array(text, { maxLength: 2 }),
      routes: fc.constantFrom(['a'], ['a', 'b']),
      models: fc.constantFrom(['a'], ['a', 'b']),
    },
    { requiredKeys: [] },
  )
  const request = fc.record(
    {
      messages: fc.array(fc.record({ role: fc.constantFrom('user', 'system'), content: text }), { maxLength: 2 }),
      temperature: fc.constantFrom(0, 0.5, 1),
      seed: fc.constant(1),
      tools: fc.array(fc.record({ type: fc.constant('function'), function: fc.record({ name: text }) }), {
        maxLength: 1,
      }),
      response_format: fc.record({ type: fc.constantFrom('text', 'json_object') }),
      max_tokens: fc.constantFrom(1, 2),
      __proto: text,
    },
    { requiredKeys: ['messages', 'seed'] },
  )

  it('is never another tenant, whatever they send, and never another request', async () => {
    const { router, asked } = boxed(async ({ call }) =>
      plainReply({
        ...head,
        body: Buffer.from(JSON.stringify([canonical(call.identity), canonical(call.request.body)])),
      }),
    )
    const few = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(few(identity), few(request), async (identities, requests) => {
        for (const who of [...identities, ...identities]) {
          for (const body of requests) {
            const given = await textOf(router.handle({ body: { model: 'a', ...body }, identity: who }))
            expect(given).toBe(JSON.stringify([canonical(who), canonical({ model: 'a', ...body })]))
          }
        }
      }),
      { numRuns: 200 },
    )
    expect(asked).toHaveBeenCalled()
    expect(router.status().cache!.hits).toBeGreaterThan(100)
  })

  it('is a caller of the same part, where the configuration names one; without that part only its like', async () => {
    const { router, asked } = boxed(undefined, { cache: { per: 'team' } })
    await router.handle(ask({}, { identity: { team: 't', user: 'ada' } }))
    expect(await outcomeOf(router.handle(ask({}, { identity: { team: 't', user: 'bob' } })))).toBe('hit')
    expect(await outcomeOf(router.handle(ask({}, { identity: { user: 'ada' } })))).toBe('miss')
    expect(await outcomeOf(router.handle(ask({}, { identity: { user: 'bob' } })))).toBe('miss')
    expect(await outcomeOf(router.handle(ask({}, { identity: { user: 't' } })))).toBe('miss')
    expect(asked).toHaveBeenCalledTimes(4)
  })

  it.each(['all', 'team', 'identity'] as const)('is not one whom other models may answer, per %s', async (per) => {
    const { router } = boxed(undefined, { cache: { per } })
    const by = (models: readonly string[]) => router.handle(ask({}, { identity: { team: 't', models } }))
    expect(await outcomeOf(by(['a', 'b']))).toBe('miss')
    expect(await outcomeOf(by(['a']))).toBe('miss')
    expect(await outcomeOf(by(['a', 'b']))).toBe('hit')
  })

  it.each(['key', 'user', 'team'] as const)('is whoever has the same %s, where that is the part', async (per) => {
    const { router } = boxed(undefined, { cache: { per } })
    const askAs = (who: Identity) => outcomeOf(router.handle(ask({}, { identity: who })))
    const one = { key: 'k', user: 'u', team: 't' }
    expect(await askAs(one)).toBe('miss')
    expect(await askAs({ [per]: one[per] })).toBe('hit')
    expect(await askAs({ ...one, [per]: 'x' })).toBe('miss')
  })

  it('is not one who asks another route, with other plugins or another version of them', async () => {
    const file = join(folder, 'versions.db')
    const cache = { file }
    const plugin = (version: string): Plugin => ({ name: 'p', version })
    const routes = { r: { models: ['a'] } }
    for (const [plugins, model, outcome] of [
      [[], 'a', 'miss'],
      [[], 'r', 'miss'],
      [[plugin('1')], 'a', 'miss'],
      [[plugin('2')], 'a', 'miss'],
      [[plugin('1')], 'a', 'hit'],
    ] as const) {
      const { router } = boxed(undefined, { cache, plugins, routes })
      expect(await outcomeOf(router.handle(ask({ model })))).toBe(outcome)
      await router.close()
    }
  })

  it('is told apart by numbers that this machine would round', async () => {
    const { router } = boxed()
    const body = (seed: string) => Buffer.from(`{"model":"a","messages":[],"seed":${seed}}`)
    await router.handle({ body: body('9007199254740993') })
    expect(await outcomeOf(router.handle({ body: body('9007199254740992') }))).toBe('miss')
    expect(await outcomeOf(router.handle({ body: body('9007199254740993') }))).toBe('hit')
  })

  it('is nobody who asks what is nested too deep to be compared, which is refused', async () => {
    const { router, asked } = boxed()
    const body = Buffer.from(`{"model":"a","temperature":0,"messages":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)
    await expect(router.handle({ body })).rejects.toMatchObject({ code: 'invalid_body' })
    const once = router.handle({ body, cacheControl: 'no-store', idempotencyKey: 'k' })
    await expect(once).rejects.toMatchObject({ code: 'invalid_body' })
    expect(asked).not.toHaveBeenCalled()
    expect(await outcomeOf(router.handle({ body, cacheControl: 'no-store' }))).toBe('bypass')
  })

  it('may do what it likes to the bytes it was given', async () => {
    const { router } = boxed()
    const first = (await router.handle(ask())).body as Uint8Array
    const said = Buffer.from(first).toString()
    first.fill(0)
    ;((await router.handle(ask())).body as Uint8Array).fill(1)
    expect(await textOf(router.handle(ask()))).toBe(said)
  })
})

const canonical = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(canonical)
    : typeof value === 'object' && value !== null
      ? Object.entries(value)
          .toSorted(([one], [other]) => (one < other ? -1 : 1))
          .map(([key, inner]) => [key, canonical(inner)])
      : value

describe('calls for the same at the same time', () => {
  it('get of a stream what came so far, and then the rest', async () => {
    let live: ReturnType<typeof liveStream> | undefined
    const { asked, router } = boxed(async ({ signal }) => (live = liveStream(signal)).reply)
    const early = router.handle(ask({ stream: true }))
    await clock.settle()
    live!.body.push(Buffer.from('one '))
    const late = await router.handle(ask({ stream: true }))
    live!.body.push(Buffer.from('two'))
    live!.end()
    expect(await textOf(early)).toBe('one two')
    expect(await textOf(Promise.resolve(late))).toBe('one two')
    expect([(await early).headers['x-signalbox-cache'], late.headers['x-signalbox-cache']]).toEqual(['miss', 'hit'])
    expect(asked).toHaveBeenCalledTimes(1)
    expect(await outcomeOf(router.handle(ask({ stream: true })))).toBe('hit')
    expect(clock.pendingTimers()).toBe(0)
  })

  it('do not join a stream that has broken, though nobody knows yet how it ended', async () => {
    let settle: ((ended: Ended) => void) | undefined
    const ended = new Promise<Ended>((resolve) => (settle = resolve))
    async function* broken() {
      yield Buffer.from('one')
      throw new Error('gone')
    }
    const late: Plugin = {
      name: 'late',
      call: {
        stage: 'admit',
        async run(call, next) {
          const reply = await next(call)
          return asked.mock.calls.length === 1 ? streamReply({ ...head, body: streamOf(broken()), ended }) : reply
        },
      },
    }
    const { asked, router } = boxed(async () => streamReply({ ...head, body: streamOf([Buffer.from('whole')]) }), {
      plugins: [late],
    })
    const first = textOf(router.handle(ask({ stream: true })))
    await clock.settle()
    const second = await router.handle(ask({ stream: true }))
    expect(second.headers['x-signalbox-cache']).toBe('miss')
    expect(await textOf(Promise.resolve(second))).toBe('whole')
    settle!({ how: 'cut', usage: noUsage, estimated: true })
    expect(await first).toContain('one')
  })

  it('share a failure of the provider, each with an error of its own', async () => {
    let fail: ((error: unknown) => void) | undefined
    const { asked, router } = boxed(() => new Promise((_resolve, reject) => (fail = reject)))
    const calls = [router.begin(ask()), router.begin(ask())]
    const errors = calls.map(({ reply }) => reply.catch((error: unknown) => error as SignalboxError))
    await clock.settle()
    fail!(new SignalboxError('upstream_rejected', 'No', { status: 400 }))
    const [one, other] = await Promise.all(errors)
    expect([one, other]).toEqual([
      expect.objectContaining({ code: 'upstream_rejected' }),
      expect.objectContaining({ code: 'upstream_rejected', status: 400 }),
    ])
    expect(one).not.toBe(other)
    expect((one as SignalboxError).failures).toHaveLength(1)
    expect((other as SignalboxError).failures).toHaveLength(0)
    expect(asked).toHaveBeenCalledTimes(1)
  })

  it('do not share what fails the first of them alone: the next one asks', async () => {
    const { asked, router } = boxed(
      ({ signal, call }) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(new SignalboxError('cancelled', 'left')))
          const late = () => reject(new SignalboxError('deadline_exceeded', 'too late'))
          const inTime = () => resolve(plainReply({ ...head, body: Buffer.from('second') }))
          clock.setTimeout(call.deadline - clock.now() < 1_000 ? late : inTime, 200)
        }),
    )
    const hasty = router.handle(ask({}, { timeoutMs: 100 })).catch((error: unknown) => error)
    await clock.settle()
    const patient = router.handle(ask())
    await clock.advance(500)
    expect(await hasty).toMatchObject({ code: 'deadline_exceeded' })
    expect(await textOf(patient)).toBe('second')
    expect(asked).toHaveBeenCalledTimes(2)
  })

  it('leave alone: the first may go, and a hasty one is told in time', async () => {
    let live: ReturnType<typeof liveStream> | undefined
    const { router } = boxed(async ({ signal }) => (live = liveStream(signal)).reply)
    const leader = new AbortController()
    const first = await begun(router.handle(ask({ stream: true }, { signal: leader.signal })), () =>
      live!.body.push(Buffer.from('one ')),
    )
    const hasty = await router.handle(ask({ stream: true }, { timeoutMs: 300 }))
    const patient = await router.handle(ask({ stream: true }))
    leader.abort()
    expect((await first.ended).how).toBe('cancelled')
    expect(live!.signal.aborted).toBe(false)
    await clock.advance(300)
    expect(await textOf(Promise.resolve(hasty))).toContain('deadline_exceeded')
    expect((await hasty.ended).how).toBe('cut')
    live!.body.push(Buffer.from('two'))
    live!.end()
    expect(await textOf(Promise.resolve(patient))).toBe('one two')
    expect(clock.pendingTimers()).toBe(0)
  })

  it('give the upstream up with the last of them', async () => {
    let live: ReturnType<typeof liveStream> | undefined
    const { asked, router } = boxed(async ({ signal }) => (live = liveStream(signal)).reply)
    const first = await begun(router.handle(ask({ stream: true })), () => live!.body.push(Buffer.from('one ')))
    const second = await router.handle(ask({ stream: true }))
    first.cancel()
    expect(live!.signal.aborted).toBe(false)
    second.cancel()
    await clock.settle()
    expect(live!.signal.aborted).toBe(true)
    void router.handle(ask({ stream: true }))
    await clock.settle()
    expect(asked).toHaveBeenCalledTimes(2)
  })

  it('are not kept waiting by one that does not read', async () => {
    let live: ReturnType<typeof liveStream> | undefined
    const { router } = boxed(async ({ signal }) => (live = liveStream(signal)).reply)
    const lazy = await begun(router.handle(ask({ stream: true })), () => live!.body.push(Buffer.from('one ')))
    const keen = textOf(router.handle(ask({ stream: true })))
    for (let chunk = 0; chunk < 10; chunk++) live!.body.push(Buffer.alloc(20_000, 97))
    await clock.settle()
    live!.end()
    expect((await keen).length).toBe(200_004)
    expect((await textOf(Promise.resolve(lazy))).length).toBe(200_004)
  })
})

async function begun(reply: Promise<Reply>, act: () => void): Promise<Reply> {
  await clock.settle()
  act()
  return reply
}

describe('an answer is not kept', () => {
  it.each(['cut', 'stalled', 'cancelled'] as const)('when its stream was %s', async (how) => {
    const { asked, router } = boxed(async ({ signal }) => {
      const { reply, body, end } = liveStream(signal)
      body.push(Buffer.from('x'))
      setImmediate(() => end(how))
      return reply
    })
    for (let times = 0; times < 2; times++) await textOf(router.handle(ask({ stream: true })))
    expect(asked).toHaveBeenCalledTimes(2)
  })

  it('when a budget near its end had another route answer', async () => {
    const { router, asked } = boxed(
      async ({ candidate }) => plainReply({ ...head, model: candidate.name, body: Buffer.from('x') }),
      {
        routes: { dear: { models: ['a'] }, cheap: { models: ['b'] } },
        budgets: [
          { per: 'all', limitUsd: 0, soft: true, window: 'day', degrade: { at: 0.5, routes: { dear: 'cheap' } } },
        ],
      },
    )
    for (let times = 0; times < 2; times++) expect((await router.handle(ask({ model: 'dear' }))).model).toBe('b')
    expect(asked).toHaveBeenCalledTimes(2)
  })
})
