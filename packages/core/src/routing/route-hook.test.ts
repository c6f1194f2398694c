import { createFakeClock } from '@signalbox/testkit'
import { expect, it, vi } from 'vitest'
import type { RouterOptions } from '../config/options.ts'
import { SignalboxError } from '../errors.ts'
import type { Warning } from '../events.ts'
import { type PluginServices, type RouteHook, definePlugin } from '../plugin.ts'
import type { Provider } from '../providers/provider.ts'
import { noUsage, plainReply, readBody, streamReply } from '../reply.ts'
import { createRouter } from '../router.ts'
import { PushStream } from '../stream.ts'
import type { Attempt, Ended, Handler, Reply } from '../types.ts'

const clock = createFakeClock()
const head = (model: string) => ({ status: 200, headers: {}, dialect: 'openai-chat', model }) as const
const named: Handler<Attempt> = async ({ candidate: { name } }) =>
  plainReply({ ...head(name), body: Buffer.from(name) })
const later = (ms: number) => new Promise<void>((resolve) => void clock.setTimeout(resolve, ms))

/** A router of two models with this in the place of the route. */
function routed(
  route: RouteHook,
  {
    send = named,
    setup,
    ...options
  }: Partial<RouterOptions> & { send?: Handler<Attempt>; setup?(services: PluginServices): void } = {},
) {
  const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'own', send }) }
  const models = { a: { provider, price: false as const }, b: { provider, price: false as const } }
  const plugin = definePlugin({ name: 'mine', route, ...(setup && { setup }) })
  const routes = { r: { models: ['a', 'b'] } }
  return createRouter({ models, routes, clock, retry: false, plugins: [plugin], ...options })
}

const ask = { body: { model: 'r', messages: [] } }
const textOf = async (reply: Pick<Reply, 'body'>) => Buffer.from(await readBody(reply)).toString()

/** A stream that does not end by itself. */
function endless(model: string, onCancel: () => void): Reply {
  let settle: ((ended: Ended) => void) | undefined
  const ended = new Promise<Ended>((resolve) => (settle = resolve))
  const cancel = () => {
    onCancel()
    settle!({ how: 'cancelled', usage: noUsage, estimated: false })
  }
  const body = new PushStream({ pause: () => undefined, resume: () => undefined, cancel })
  return streamReply({ ...head(model), body, ended, cancel })
}

it('tries the models that it likes, in its own order', async () => {
  const router = routed((_call, ranked, attempt) => attempt(ranked[1]!))
  expect((await router.handle(ask)).model).toBe('b')
})

it('is left out of the calls that its plugin makes: they go the usual way', async () => {
  let services: PluginServices | undefined
  const router = routed(async (call, _ranked, attempt) => attempt(await textOf(await services!.handle(call, ask))), {
    setup: (given) => void (services = given),
  })
  expect((await router.handle(ask)).model).toBe('a')
})

it('is not blamed for a model that is too slow, however long it waits for it', async () => {
  const router = routed(async (_call, ranked, attempt) => attempt(ranked[0]!).then((reply) => reply), {
    timeouts: { callMs: 1_000, answerMs: 5_000 },
    send: async ({ deadline }) => {
      await later(deadline - clock.now() + 5)
      throw new SignalboxError('deadline_exceeded', 'too slow')
    },
  })
  const failed = router.handle(ask).catch((error: unknown) => error)
  await clock.advance(1_010)
  expect(await failed).toMatchObject({ code: 'deadline_exceeded' })
  expect(((await failed) as SignalboxError).plugin).toBeUndefined()
})

it('is named where it never settles, and where it gives no reply', async () => {
  const stuck = routed(() => new Promise(() => undefined), { timeouts: { callMs: 1_000 } })
  const failed = stuck.handle(ask).catch((error: unknown) => error)
  await clock.advance(1_000)
  expect(await failed).toMatchObject({ code: 'plugin_timeout', plugin: 'mine' })
  const empty = routed(async () => ({}) as Reply)
  await expect(empty.handle(ask)).rejects.toMatchObject({ code: 'plugin_failed', plugin: 'mine' })
})

it('leaves no reply running that it lost, and is named', async () => {
  const cancelled = vi.fn<() => void>()
  const send: Handler<Attempt> = async (attempt) =>
    attempt.candidate.name === 'a' ? endless('a', cancelled) : named(attempt)
  const lost = routed(
    async (_call, ranked, attempt) => {
      await attempt(ranked[0]!)
      return attempt(ranked[1]!)
    },
    { send },
  )
  await expect(lost.handle(ask)).rejects.toMatchObject({ code: 'plugin_failed', plugin: 'mine' })
  expect(cancelled).toHaveBeenCalledTimes(1)

  const thrown = routed(
    async (_call, ranked, attempt) => {
      await attempt(ranked[0]!)
      throw new Error('mine')
    },
    { send },
  )
  await expect(thrown.handle(ask)).rejects.toMatchObject({ code: 'plugin_failed', plugin: 'mine' })
  expect(cancelled).toHaveBeenCalledTimes(2)
})

it('stands among the times of hooks with its own time alone', async () => {
  const router = routed(
    async (_call, ranked, attempt) => {
      await later(30)
      await attempt(ranked[0]!)
      await later(10)
      return attempt(ranked[1]!)
    },
    { hookTimes: true, send: async (attempt) => later(500).then(() => named(attempt)) },
  )
  const { record, reply } = router.begin(ask)
  await clock.advance(2_000)
  await reply
  expect(record.hookTimes).toContainEqual({ ring: 'call', plugin: 'mine', ms: 40 })
})

it('takes of a limit what it sends and no more, though it tries a model twice at one time', async () => {
  const provider: Provider = { name: 'own', dialect: 'openai-chat', connect: () => ({ domain: 'own', send: named }) }
  let tries = 0
  const router = createRouter({
    models: { a: { provider, limits: { requestsPerMinute: 2 } } },
    clock,
    retry: false,
    breaker: false,
    plugins: [
      {
        name: 'slow',
        attempt: { stage: 'limiter', run: (attempt, next) => Promise.resolve().then(() => next(attempt)) },
      },
      {
        name: 'second kept back',
        attempt: {
          stage: 'breaker',
          run: (attempt, next) =>
            ++tries === 2 ? Promise.reject(new SignalboxError('model_unavailable', 'kept back')) : next(attempt),
        },
      },
      {
        name: 'twice at first',
        route: async (_call, [first], attempt) => {
          const [sent] = await Promise.allSettled(
            Array.from({ length: tries === 0 ? 2 : 1 }, () => attempt(first!, { mayWait: false })),
          )
          if (sent!.status === 'rejected') throw sent!.reason
          return sent!.value
        },
      },
    ],
  })
  const one = { body: { model: 'a', messages: [] } }
  for (let call = 0; call < 2; call++) expect(await router.handle(one)).toMatchObject({ model: 'a' })
  await expect(router.handle(one)).rejects.toMatchObject({ code: 'rate_limit_exceeded' })
})

it('fails no call where its onSend throws', async () => {
  const onSend = () => {
    throw new Error('nothing heard')
  }
  const warning = vi.fn<(told: Warning) => void>()
  const router = routed((_call, [first], attempt) => attempt(first!, { onSend }))
  router.on('warning', warning)
  expect((await router.handle(ask)).model).toBe('a')
  expect(warning.mock.calls).toMatchObject([
    [{ kind: 'plugin_failed', message: expect.stringContaining('nothing heard') }],
  ])
})
