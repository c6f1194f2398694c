/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { type FakeClock, createFakeClock } from '@signalbox/testkit'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { SignalboxError, type SignalboxErrorCode } from '../errors.ts'
import { type EventBus, type Warning, createEvents } from '../events.ts'
import { runHook } from './hook.ts'
import { type Overdue, createOverdue } from './overdue.ts'
import type { HookOptions } from '../plugin.ts'
import { noUsage, plainReply, readBody, streamOf, streamReply } from '../reply.ts'
import type { ByteStream, Call, Ended, Handler, Reply } from '../types.ts'

let clock: FakeClock
let events: EventBus
let warnings: Warning[]
let overdue: Overdue

beforeEach(() => {
  clock = createFakeClock()
  events = createEvents(undefined)
  overdue = createOverdue(clock)
  warnings = []
  events.on('warning', (warning) => warnings.push(warning))
})

const call = { id: 'c', deadline: 180_000 } as unknown as Call
const nothing = (): undefined => undefined

function replyWith(cancel: () => void = () => undefined): Reply {
  return {
    ...plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model: 'a', body: new Uint8Array(0) }),
    cancel,
  }
}

const hook = (options: HookOptions<Call>) =>
  runHook({ plugin: 'p', ...options }, { ring: 'call', clock, events, overdue, isRoute: () => true })
const after = (delayMs: number) => new Promise<void>((resolve) => void clock.setTimeout(resolve, delayMs))
const failure = (code: SignalboxErrorCode, plugin?: string) =>
  expect.objectContaining({ code, ...(plugin && { plugin }) })

describe('a hook', () => {
  it('hands on the reply that it returns', async () => {
    const reply = replyWith()
    await expect(hook({ run: (inner, next) => next(inner) })(call, async () => reply)).resolves.toBe(reply)
  })

  it('may answer by itself', async () => {
    const own = replyWith()
    const next = vi.fn<Handler<Call>>()
    await expect(hook({ run: async () => own })(call, next)).resolves.toMatchObject({ status: 200, body: own.body })
    expect(next).not.toHaveBeenCalled()
  })

  it('is named in what it rejects with, and the cause is kept', async () => {
    const cause = new Error('inside')
    const thrown = await hook({ run: () => Promise.reject(cause) })(call, async () => replyWith()).catch(
      (error: unknown) => error,
    )
    expect(thrown).toEqual(failure('plugin_failed', 'p'))
    expect((thrown as Error).cause).toBe(cause)
    expect((thrown as Error).message).toContain('"p" failed in the call ring')
    expect((thrown as Error).message).not.toContain('inside')
  })

  it('is named when it throws before it returns a promise', async () => {
    const run = () => {
      throw new TypeError('at once')
    }
    await expect(hook({ run })(call, async () => replyWith())).rejects.toEqual(failure('plugin_failed', 'p'))
    await expect(hook({ run, timeoutMs: 10 })(call, async () => replyWith())).rejects.toEqual(
      failure('plugin_failed', 'p'),
    )
  })

  it('may throw an error of the closed set, which is handed on as it is', async () => {
    const refusal = new SignalboxError('refused', 'No.')
    await expect(hook({ run: () => Promise.reject(refusal) })(call, async () => replyWith())).rejects.toBe(refusal)
  })

  it('hands on what next rejects with as it is', async () => {
    const inner = new SignalboxError('upstream_error', 'inner')
    await expect(hook({ run: (one, next) => next(one) })(call, () => Promise.reject(inner))).rejects.toBe(inner)
  })

  it.each([
    ['nothing', undefined],
    ['a text', 'hello'],
    ['null', null],
    ['an object without a body', { cancel: nothing }],
    [
      'an object that cannot be cancelled',
      { status: 200, headers: {}, body: new Uint8Array(0), ended: Promise.resolve() },
    ],
    ['an object that never ends', { status: 200, headers: {}, body: new Uint8Array(0), cancel: nothing }],
    ['an object without a status', { headers: {}, body: new Uint8Array(0), ended: Promise.resolve(), cancel: nothing }],
  ])('is named when it returns %s in place of a reply', async (_what, value) => {
    const run = async () => value as unknown as Reply
    const thrown = await hook({ run })(call, async () => replyWith()).catch((error: unknown) => error)
    expect(thrown).toEqual(failure('plugin_failed', 'p'))
    expect((thrown as Error).message).toContain('returned no reply')
  })

  it('that throws after next has answered does not leave the reply running', async () => {
    const cancel = vi.fn<() => void>()
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      await next(inner)
      throw new Error('too late')
    }
    await expect(hook({ run })(call, async () => replyWith(cancel))).rejects.toEqual(failure('plugin_failed', 'p'))
    await clock.settle()
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  it('that fails while next is still under way does not leave its reply running', async () => {
    const cancel = vi.fn<() => void>()
    let answer: ((reply: Reply) => void) | undefined
    const run: HookOptions<Call>['run'] = (inner, next) => {
      void next(inner)
      return Promise.reject(new Error('did not wait'))
    }
    await expect(hook({ run })(call, () => new Promise((resolve) => (answer = resolve)))).rejects.toEqual(
      failure('plugin_failed', 'p'),
    )
    answer!(replyWith(cancel))
    await clock.settle()
    expect(cancel).toHaveBeenCalledTimes(1)
  })
})

describe('a hook that is open on error', () => {
  it('is stepped over when it throws, and the operator is told', async () => {
    const reply = replyWith()
    const run = () => Promise.reject(new Error('the disk is full'))
    await expect(hook({ run, onError: 'open' })(call, async () => reply)).resolves.toBe(reply)
    expect(warnings).toEqual([expect.objectContaining({ kind: 'plugin_skipped', plugin: 'p' })])
    expect(warnings[0]!.message).toContain('the disk is full')
  })

  it('is stepped over when it throws at once, returns no reply, or takes too long', async () => {
    const reply = replyWith()
    const thrower = () => {
      throw new Error('at once')
    }
    await expect(hook({ run: thrower, onError: 'open' })(call, async () => reply)).resolves.toBe(reply)
    await expect(
      hook({ run: async () => undefined as unknown as Reply, onError: 'open' })(call, async () => reply),
    ).resolves.toBe(reply)
    const slow = hook({ run: () => new Promise(() => undefined), onError: 'open', timeoutMs: 20 })(
      call,
      async () => reply,
    )
    await clock.advance(20)
    await expect(slow).resolves.toBe(reply)
    expect(warnings).toHaveLength(3)
  })

  it('gives the reply that next had brought, and does not ask for another', async () => {
    const reply = replyWith()
    const next = vi.fn<Handler<Call>>(async () => reply)
    const run: HookOptions<Call>['run'] = async (inner, one) => {
      await one(inner)
      throw new Error('too late')
    }
    await expect(hook({ run, onError: 'open' })(call, next)).resolves.toBe(reply)
    expect(next).toHaveBeenCalledTimes(1)
  })

  it('hands on the failure of next, which is none of its own', async () => {
    const inner = new SignalboxError('upstream_error', 'inner')
    const next = vi.fn<Handler<Call>>(() => Promise.reject(inner))
    await expect(hook({ run: (one, go) => go(one), onError: 'open' })(call, next)).rejects.toBe(inner)
    expect(next).toHaveBeenCalledTimes(1)
    expect(warnings).toEqual([])
  })

  it('may still refuse', async () => {
    const refusal = new SignalboxError('refused', 'No.')
    const next = vi.fn<Handler<Call>>()
    await expect(hook({ run: () => Promise.reject(refusal), onError: 'open' })(call, next)).rejects.toBe(refusal)
    expect(next).not.toHaveBeenCalled()
  })

  it('is what an observer is by default, and a guard is not', async () => {
    const run = () => Promise.reject(new Error('broken'))
    await expect(hook({ run, stage: 'observe' })(call, async () => replyWith())).resolves.toBeDefined()
    await expect(
      hook({ run, stage: 'observe', onError: 'closed' })(call, async () => replyWith()),
    ).rejects.toBeDefined()
    await expect(hook({ run, stage: 'guard' })(call, async () => replyWith())).rejects.toBeDefined()
    await expect(hook({ run })(call, async () => replyWith())).rejects.toBeDefined()
  })
})

describe('a hook without a time limit', () => {
  const endless = () => new Promise<Reply>(() => undefined)

  it('that never settles is ended at the deadline of the call, and named', async () => {
    const result = hook({ run: endless })(call, async () => replyWith()).catch((error: unknown) => error)
    await clock.advance(179_999)
    expect(await Promise.race([result, Promise.resolve('waits')])).toBe('waits')
    await clock.advance(1)
    expect(await result).toEqual(failure('plugin_timeout', 'p'))
    expect(clock.pendingTimers()).toBe(0)
  })

  it('is not what is named while next is under way, but once that has come back', async () => {
    const cancel = vi.fn<() => void>()
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      await next(inner)
      return endless()
    }
    const slow: Handler<Call> = async () => {
      await after(180_500)
      return replyWith(cancel)
    }
    const result = hook({ run })(call, slow).catch((error: unknown) => error)
    await clock.advance(180_600)
    expect(await Promise.race([result, Promise.resolve('waits')])).toBe('waits')
    await clock.advance(1_000)
    expect(await result).toEqual(failure('plugin_timeout', 'p'))
    await clock.settle()
    expect(cancel).toHaveBeenCalledTimes(1)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('shares one timer with all others, which is gone when they have settled', async () => {
    const waiting: (() => void)[] = []
    const run = () => new Promise<Reply>((resolve) => waiting.push(() => resolve(replyWith())))
    const runs = Array.from({ length: 50 }, () => hook({ run })(call, async () => replyWith()))
    expect(clock.pendingTimers()).toBe(1)
    for (const settle of waiting) settle()
    await Promise.all(runs)
    expect(clock.pendingTimers()).toBe(0)
  })
})

describe('what a hook is given', () => {
  it('is frozen: one that changes it fails and is named', async () => {
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      ;(inner as { route: string }).route = 'mine'
      return next(inner)
    }
    const next = vi.fn<Handler<Call>>()
    await expect(hook({ run })({ ...call, route: 'yours' }, next)).rejects.toEqual(failure('plugin_failed', 'p'))
    expect(next).not.toHaveBeenCalled()
  })

  it('is left out of calls that its plugin made', async () => {
    const run = vi.fn<HookOptions<Call>['run']>(async () => replyWith())
    const reply = replyWith()
    const made = { ...call, madeBy: ['other', 'p'] }
    await expect(hook({ run })(made, async () => reply)).resolves.toBe(reply)
    expect(run).not.toHaveBeenCalled()
    await hook({ run })({ ...call, madeBy: ['other'] }, async () => reply)
    expect(run).toHaveBeenCalledTimes(1)
  })
})

describe('a reply that a hook loses', () => {
  function streaming() {
    let settle: ((ended: Ended) => void) | undefined
    const ended = new Promise<Ended>((resolve) => (settle = resolve))
    const cancel = vi.fn<() => void>(() => settle!({ how: 'cancelled', usage: noUsage, estimated: false }))
    const body = streamOf([Buffer.from('one'), Buffer.from('two')])
    return { ...streamReply({ status: 200, headers: {}, dialect: 'openai-chat', model: 'a', body, ended, cancel }) }
  }

  it('for a plain one of its own is cancelled, and the hook is named', async () => {
    const lost = streaming()
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      await next(inner)
      return replyWith()
    }
    const error = await hook({ run })(call, async () => lost).catch((thrown: unknown) => thrown)
    expect(error).toEqual(failure('plugin_failed', 'p'))
    expect((error as Error).message).toContain('lost a reply')
    expect(lost.cancel).toHaveBeenCalled()
  })

  it('when it asked twice at once is cancelled, and the hook is named', async () => {
    const replies = [streaming(), streaming()]
    let asked = 0
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      await Promise.all([next(inner), next(inner)])
      return replyWith()
    }
    await expect(hook({ run })(call, async () => replies[asked++]!)).rejects.toEqual(failure('plugin_failed', 'p'))
    for (const { cancel } of replies) expect(cancel).toHaveBeenCalled()
  })

  it('behind a stream of its own is cancelled at the end of that, and the operator is told', async () => {
    const lost = streaming()
    const own = streaming()
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      await next(inner)
      return own
    }
    const reply = await hook({ run })(call, async () => lost)
    expect(lost.cancel).not.toHaveBeenCalled()
    expect(Buffer.from(await readBody(reply)).toString()).toBe('onetwo')
    await new Promise((resolve) => void setImmediate(() => setImmediate(resolve)))
    expect(lost.cancel).toHaveBeenCalled()
    expect(warnings).toEqual([expect.objectContaining({ kind: 'plugin_failed', plugin: 'p' })])
  })

  it('is none where it was read, wrapped or cancelled', async () => {
    const wrapped = streaming()
    const asStream = await hook({
      run: async (inner, next) => {
        const reply = await next(inner)
        return { ...reply, body: streamOf(reply.body as ByteStream) }
      },
    })(call, async () => wrapped)
    expect(Buffer.from(await readBody(asStream)).toString()).toBe('onetwo')
    const read = streaming()
    await hook({
      run: async (inner, next) => {
        const { status, headers, dialect, model, body } = await next(inner)
        return plainReply({ status, headers, dialect, model, body: await readBody({ body }) })
      },
    })(call, async () => read)
    const dropped = streaming()
    await hook({
      run: async (inner, next) => {
        const reply = await next(inner)
        reply.cancel()
        return replyWith()
      },
    })(call, async () => dropped)
    await new Promise((resolve) => void setImmediate(() => setImmediate(resolve)))
    expect(wrapped.cancel).not.toHaveBeenCalled()
    expect(read.cancel).not.toHaveBeenCalled()
    expect(warnings).toEqual([])
  })

  it('is not handed on by an open hook that had begun to read it', async () => {
    const begun = streaming()
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      const reply = await next(inner)
      for await (const _ of reply.body as ByteStream) throw new Error('in the middle')
      return reply
    }
    await expect(hook({ run, onError: 'open' })(call, async () => begun)).rejects.toEqual(failure('plugin_failed', 'p'))
    expect(begun.cancel).toHaveBeenCalled()
  })
})

describe('a time limit', () => {
  it('ends a hook that never settles, and names it', async () => {
    const result = hook({ run: () => new Promise(() => undefined), timeoutMs: 50 })(call, async () =>
      replyWith(),
    ).catch((error: unknown) => error)
    await clock.advance(49)
    expect(clock.pendingTimers()).toBe(1)
    await clock.advance(1)
    expect(await result).toEqual(failure('plugin_timeout', 'p'))
    expect(clock.pendingTimers()).toBe(0)
  })

  it('does not count the time inside next', async () => {
    const reply = replyWith()
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      await after(20)
      const answer = await next(inner)
      await after(20)
      return answer
    }
    const result = hook({ run, timeoutMs: 50 })(call, async () => {
      await after(10_000)
      return reply
    })
    await clock.advance(20_000)
    await expect(result).resolves.toBe(reply)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('adds up the time before and after next', async () => {
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      await after(30)
      const answer = await next(inner)
      await after(30)
      return answer
    }
    const result = hook({ run, timeoutMs: 50 })(call, async () => {
      await after(1_000)
      return replyWith()
    }).catch((error: unknown) => error)
    await clock.advance(1_049)
    expect(clock.pendingTimers()).toBe(2)
    await clock.advance(1)
    expect(await result).toEqual(failure('plugin_timeout', 'p'))
  })

  it('counts only the time outside of all of several nexts at once', async () => {
    const reply = replyWith()
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      const [first] = await Promise.all([next(inner), next(inner)])
      await after(10)
      return first
    }
    let calls = 0
    const result = hook({ run, timeoutMs: 15 })(call, async () => {
      await after(++calls * 100)
      return reply
    })
    await clock.advance(500)
    await expect(result).resolves.toBe(reply)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('leaves no timer behind a reply, a throw or a rejection of next', async () => {
    const limited = (run: HookOptions<Call>['run']) => hook({ run, timeoutMs: 50 })
    await limited((inner, next) => next(inner))(call, async () => replyWith())
    await limited(() => Promise.reject(new Error('no')))(call, async () => replyWith()).catch(() => undefined)
    await limited((inner, next) => next(inner))(call, () => Promise.reject(new Error('no'))).catch(() => undefined)
    await clock.settle()
    expect(clock.pendingTimers()).toBe(0)
  })

  it('keeps a hook that was given up from sending the call all the same', async () => {
    const next = vi.fn<Handler<Call>>(async () => replyWith())
    const run: HookOptions<Call>['run'] = async (inner, go) => {
      await after(100)
      return go(inner)
    }
    const closed = hook({ run, timeoutMs: 50 })(call, next).catch((error: unknown) => error)
    await clock.advance(200)
    expect(await closed).toEqual(failure('plugin_timeout', 'p'))
    expect(next).not.toHaveBeenCalled()
    const open = hook({ run, timeoutMs: 50, onError: 'open' })(call, next)
    await clock.advance(200)
    await open
    expect(next).toHaveBeenCalledTimes(1)
    expect(clock.pendingTimers()).toBe(0)
  })

  it.each([undefined, 50])(
    'cancels what an open hook that was given up makes itself, not what was handed on of it (limit %j)',
    async (timeoutMs) => {
      const [own, inner] = [vi.fn<() => void>(), vi.fn<() => void>()]
      for (const asks of [false, true]) {
        const run: HookOptions<Call>['run'] = async (one, next) => {
          const reply = asks ? await next(one) : replyWith(own)
          await after(200_000)
          return reply
        }
        const result = hook({ run, onError: 'open', ...(timeoutMs && { timeoutMs }) })(call, async () =>
          replyWith(inner),
        )
        await clock.advance(300_000)
        await result
      }
      expect(own).toHaveBeenCalledTimes(1)
      expect(inner).not.toHaveBeenCalled()
    },
  )

  it('cancels the reply of a closed hook that took too long with it', async () => {
    const cancel = vi.fn<() => void>()
    const run: HookOptions<Call>['run'] = async (inner, next) => {
      await next(inner)
      return new Promise(() => undefined)
    }
    const result = hook({ run, timeoutMs: 50 })(call, async () => replyWith(cancel)).catch((error: unknown) => error)
    await clock.advance(50)
    expect(await result).toEqual(failure('plugin_timeout', 'p'))
    await clock.settle()
    expect(cancel).toHaveBeenCalledTimes(1)
  })
})
