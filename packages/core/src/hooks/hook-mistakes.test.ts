import { type FakeClock, createFakeClock } from '@signalbox/testkit'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { SignalboxErrorCode } from '../errors.ts'
import { type EventBus, type Warning, createEvents } from '../events.ts'
import { runHook } from './hook.ts'
import { createOverdue } from './overdue.ts'
import type { HookOptions } from '../plugin.ts'
import { noUsage, plainReply, readBody, streamOf, streamReply } from '../reply.ts'
import type { Attempt, ByteStream, Call, Ended, Handler, Reply } from '../types.ts'

let clock: FakeClock
let events: EventBus
let warnings: Warning[]

beforeEach(() => {
  clock = createFakeClock()
  events = createEvents(undefined)
  warnings = []
  events.on('warning', (warning) => warnings.push(warning))
})

type Run = HookOptions<Call>['run']

const call = { id: 'c', deadline: 180_000, record: {}, request: { with: () => undefined } } as unknown as Call
const hook = (run: Run, options: Omit<HookOptions<Call>, 'run'> = {}) =>
  runHook(
    { plugin: 'p', run, ...options },
    { ring: 'call', clock, events, overdue: createOverdue(clock), isRoute: () => true },
  )
const failure = (code: SignalboxErrorCode) => expect.objectContaining({ code, plugin: 'p' })
const turns = () => new Promise((resolve) => void setImmediate(() => setImmediate(resolve)))

const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const
const plain = () => plainReply({ ...head, body: new Uint8Array(0) })

function streaming() {
  let settle: ((ended: Ended) => void) | undefined
  const ended = new Promise<Ended>((resolve) => (settle = resolve))
  const cancel = vi.fn<() => void>(() => settle!({ how: 'cancelled', usage: noUsage, estimated: false }))
  return streamReply({ ...head, body: streamOf([Buffer.from('one'), Buffer.from('two')]), ended, cancel })
}

describe('a reply that is none', () => {
  const bodies = [
    ['a text', () => 'hello'],
    ['nothing', () => undefined],
    ['a generator', async function* () {}],
    ['a stream of the web', () => new Response('hello').body],
  ] as const

  it.each(bodies)('for its body, %s, is refused with the name of the plugin, and says what one is', async (_, body) => {
    const given = { ...plain(), body: body() as unknown as ByteStream }
    const thrown = await hook(async () => given)(call, async () => plain()).catch((error: unknown) => error)
    expect(thrown).toEqual(failure('plugin_failed'))
    expect((thrown as Error).message).toMatch(/returned no reply.*body.*bytes.*streamOf/)
  })

  it.each(bodies)('for its body, %s, leaves no stream of next running', async (_, body) => {
    const lost = streaming()
    const run: Run = async (one, next) => ({ ...(await next(one)), body: body() as unknown as ByteStream })
    await expect(hook(run)(call, async () => lost)).rejects.toEqual(failure('plugin_failed'))
    expect(lost.cancel).toHaveBeenCalled()
  })

  it('for a head that cannot be sent is refused, and so is one whose end is no promise', async () => {
    const wrong = { ...plain(), status: '200' } as unknown as Reply
    await expect(hook(async () => wrong)(call, async () => plain())).rejects.toEqual(failure('plugin_failed'))
    const beyond = { ...plain(), status: 1_000 }
    await expect(hook(async () => beyond)(call, async () => plain())).rejects.toEqual(failure('plugin_failed'))
    const split = { ...plain(), headers: { 'x-own': 'a\r\nx-other: b' } }
    await expect(hook(async () => split)(call, async () => plain())).rejects.toEqual(failure('plugin_failed'))
    const strange = { ...plain(), dialect: 'esperanto' } as unknown as Reply
    await expect(hook(async () => strange)(call, async () => plain())).rejects.toEqual(failure('plugin_failed'))
    const nameless = { ...plain(), model: undefined } as unknown as Reply
    await expect(hook(async () => nameless)(call, async () => plain())).rejects.toEqual(failure('plugin_failed'))
    const endless = { ...plain(), ended: undefined } as unknown as Reply
    await expect(hook(async () => endless)(call, async () => plain())).rejects.toEqual(failure('plugin_failed'))
  })
})

it('a reply in another dialect than the caller reads is refused, and says which it reads', async () => {
  const one = { ...call, dialect: 'anthropic-messages' } as Call
  const thrown: unknown = await hook(async () => plain())(one, async () => plain()).catch((error: unknown) => error)
  expect(thrown).toEqual(failure('plugin_failed'))
  expect((thrown as Error).message).toContain('it is in openai-chat, and its caller reads anthropic-messages')
})

it('an open hook that answers by itself and loses a stream is stepped over: the stream goes on, and is not cancelled', async () => {
  const lost = streaming()
  const run: Run = async (one, next) => {
    await next(one)
    return plain()
  }
  const reply = await hook(run, { onError: 'open' })(call, async () => lost)
  expect(Buffer.from(await readBody(reply)).toString()).toBe('onetwo')
  expect(lost.cancel).not.toHaveBeenCalled()
  expect(warnings).toEqual([expect.objectContaining({ kind: 'plugin_skipped', plugin: 'p' })])
})

describe('what is handed to next and is no call', () => {
  const given = [
    ['nothing', undefined],
    ['a string', 'hello'],
    ['no copy of it', {}],
    ['no copy of it', { ...call, record: {} }],
    ['no copy of it', { ...call, request: { body: {} } }],
    ['one whose identity is null', { ...call, identity: null }],
    ['one whose labels is 5', { ...call, labels: 5 }],
    ['one whose state is null', { ...call, state: null }],
    ['one whose headers is null', { ...call, headers: null }],
    ['one whose signal is an object', { ...call, signal: {} }],
    ['one whose deadline is', { ...call, deadline: Number.NaN }],
    ['one whose dialect is "latin"', { ...call, dialect: 'latin' }],
    ['one whose maxCostNanoUsd is -1', { ...call, maxCostNanoUsd: -1 }],
    ['one whose key is "other"', { ...call, key: 'other' }],
  ] as const

  it.each(given)('is refused with the name of the plugin: %s', async (came, wrong) => {
    const next = vi.fn<Handler<Call>>(async () => plain())
    const run: Run = (_call, go) => go(wrong as unknown as Call)
    const thrown = await hook(run)(call, next).catch((error: unknown) => error)
    expect(thrown).toEqual(failure('plugin_failed'))
    expect((thrown as Error).message).toMatch(new RegExp(`"p".*next.*call ring.*expected the call.*got ${came}`))
    expect(next).not.toHaveBeenCalled()
  })

  it.each(['onSend', 'held', 'entry'] as const)('is refused where it is an attempt that lost its %s', async (name) => {
    const context = { ring: 'attempt', clock, events, overdue: createOverdue(clock), isRoute: () => true } as const
    const attempt = { call, candidate: {}, [name]: {} } as unknown as Attempt
    const without = (lost: object) =>
      runHook<Attempt>({ plugin: 'p', run: (one, next) => next({ ...one, ...lost }) }, context)
    await expect(without({})(attempt, async () => plain())).resolves.toMatchObject({ status: 200 })
    const thrown: unknown = await without({ [name]: undefined })(attempt, async () => plain()).catch((error) => error)
    expect(thrown).toEqual(failure('plugin_failed'))
    expect((thrown as Error).message).toContain('got no copy of it')
  })

  it('is refused where it asks for a route that is not there', async () => {
    const isRoute = (name: string) => name === 'there'
    const context = { ring: 'call', clock, events, overdue: createOverdue(clock), isRoute } as const
    const to = (route: string) => runHook<Call>({ plugin: 'p', run: (one, next) => next({ ...one, route }) }, context)
    await expect(to('there')(call, async () => plain())).resolves.toMatchObject({ status: 200 })
    const thrown: unknown = await to('nowhere')(call, async () => plain()).catch((error: unknown) => error)
    expect(thrown).toEqual(failure('plugin_failed'))
    expect((thrown as Error).message).toContain('got one to the route "nowhere", which is not there')
  })

  it('is stepped over where the hook is open', async () => {
    const reply = plain()
    const run: Run = (_call, go) => go(undefined as unknown as Call)
    await expect(hook(run, { onError: 'open' })(call, async () => reply)).resolves.toBe(reply)
    expect(warnings).toEqual([expect.objectContaining({ kind: 'plugin_skipped', plugin: 'p' })])
  })
})

describe('a hook that asks twice', () => {
  it.each(['closed', 'open'] as const)('and throws leaves no reply running that nobody gets: %s', async (onError) => {
    const [first, second] = [streaming(), streaming()]
    const replies = [first, second]
    const run: Run = async (one, next) => {
      await Promise.all([next(one), next(one)])
      throw new Error('too late')
    }
    const outcome = await hook(run, { onError })(call, async () => replies.shift()!).catch((error: unknown) => error)
    await turns()
    expect(outcome).toEqual(onError === 'open' ? second : failure('plugin_failed'))
    expect(first.cancel).toHaveBeenCalledTimes(1)
    expect(second.cancel).toHaveBeenCalledTimes(onError === 'open' ? 0 : 1)
  })

  it.each([
    ['hands on the first at once', (one, next) => next(one)],
    ['answers by itself', async () => plain()],
  ] satisfies [string, Run][])('the second time when it is over: it %s', async (_what, first) => {
    const late = streaming()
    let asked = false
    let again: (() => Promise<Reply>) | undefined
    const run: Run = (one, next) => {
      again = () => {
        asked = true
        return next(one)
      }
      return first(one, next)
    }
    await hook(run)(call, async () => (asked ? late : plain()))
    await turns()
    await again!()
    await turns()
    expect(late.cancel).toHaveBeenCalledTimes(1)
    expect(warnings).toEqual([expect.objectContaining({ kind: 'plugin_failed', plugin: 'p' })])
  })

  it('when it is over, and reads what it gets, is left to it', async () => {
    const late = streaming()
    let again: (() => Promise<Reply>) | undefined
    const run: Run = async (one, next) => {
      again = () => next(one)
      return plain()
    }
    await hook(run)(call, async () => late)
    const read = again!().then(readBody)
    await turns()
    expect(Buffer.from(await read).toString()).toBe('onetwo')
    expect(late.cancel).not.toHaveBeenCalled()
    expect(warnings).toEqual([])
  })
})

it.each(['labels', 'state'] as const)('%s that a plugin made are written into by no other', async (part) => {
  const made = { a: 'b' }
  const writes = hook((one, next) => {
    Object.assign(one[part], { x: 'y' })
    return next(one)
  })
  const first = hook((one, next) => next({ ...one, [part]: made }))
  const failed = first(call, (one) => writes(one, async () => plain()))
  await expect(failed).rejects.toEqual(failure('plugin_failed'))
  expect(made).toEqual({ a: 'b' })
})
