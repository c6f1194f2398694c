import { describe, expect, it } from 'vitest'
import { type Call, definePlugin } from '@signalbox/core'
import { completion, jsonError } from '@signalbox/testkit'
import { type Answer, type Sent, chat, send } from '../support/caller.ts'
import { describeMounts } from '../support/mounts.ts'
import { eventually, listenTo, routerOver, upstreamThat } from '../support/routers.ts'

const answering = () => upstreamThat(completion({ content: 'an answer' }))

describeMounts('hostile identities', (mount) => {
  it('case 90: users, teams and models are values in a log line, never its words, and change nothing', async () => {
    const hostile = 'x\r\n"level":50 \u001b[31m\u0000 \'; DROP TABLE calls;-- =cmd()'
    const lines: unknown[][] = []
    const write = (...line: unknown[]) => void lines.push(line)
    const logger = { debug: write, info: write, warn: write, error: write }
    const router = routerOver([await answering()], { logger })
    const mounted = await mount.serve(router, { identify: () => ({ user: hostile, team: hostile, tags: [hostile] }) })

    const answer: Answer = await send(mounted, { body: chat() })

    expect(answer.status).toBe(200)
    expect(JSON.stringify(answer.headers)).not.toContain('DROP')
    expect(lines).toEqual([[expect.objectContaining({ user: hostile }), 'call answered']])
  })
})

const never = () => new Promise<never>(() => {})
const fail = () => {
  throw new Error('SELECT secret FROM vault')
}

describeMounts('plugins that misbehave', (mount) => {
  const served = async (plugin: Parameters<typeof definePlugin>[0], sent: Sent = { body: chat() }) => {
    const upstream = await answering()
    const router = routerOver([upstream], { plugins: [definePlugin(plugin)] })
    const told = listenTo(router)
    return { answer: await send(await mount.serve(router), sent), upstream, told }
  }
  const broken = { type: 'configuration_error', param: null }

  it.each([
    {
      title: 'throws',
      run: () => {
        throw new Error('SELECT secret FROM vault')
      },
    },
    { title: 'rejects', run: () => Promise.reject(new Error('SELECT secret FROM vault')) },
    { title: 'throws what is no error', run: () => Promise.reject('SELECT secret FROM vault') },
    { title: 'returns nothing', run: () => Promise.resolve(undefined as never) },
  ])('case 92: a guard that $title refuses the call, and is named', async ({ run }) => {
    const { answer, upstream } = await served({ name: 'faulty', call: { stage: 'guard', run } })

    expect(answer.status).toBe(500)
    expect(answer.headers['x-should-retry']).toBe('false')
    expect(answer.json().error).toMatchObject({ ...broken, code: 'plugin_failed' })
    expect(answer.json().error.message).toContain('"faulty"')
    expect(answer.text).not.toContain('SELECT')
    expect(upstream.requests).toHaveLength(0)
  })

  it('case 92: a guard that never settles is given up when its time is over', async () => {
    const { answer, upstream } = await served({ name: 'endless', call: { stage: 'guard', run: never, timeoutMs: 40 } })

    expect(answer.status).toBe(500)
    expect(answer.json().error).toMatchObject({ ...broken, code: 'plugin_timeout' })
    expect(upstream.requests).toHaveLength(0)
  })

  it('case 92: an observer that throws is stepped over, and told of', async () => {
    const { answer, told } = await served({ name: 'watcher', call: { stage: 'observe', run: fail } })

    expect(answer.status).toBe(200)
    expect(told.find(({ event }) => event === 'warning')!.payload).toMatchObject({
      kind: 'plugin_skipped',
      plugin: 'watcher',
    })
  })

  it('case 92: a hook that calls next twice and returns one of the two answers', async () => {
    const { answer, upstream } = await served({
      name: 'twice',
      call: async (call, next) => {
        const first = await next(call)
        first.cancel()
        return next(call)
      },
    })

    expect(answer.status).toBe(200)
    expect(upstream.requests).toHaveLength(2)
  })

  const intrusions: Record<string, (call: Call) => void> = {
    'the name of who calls': ({ identity }) => Object.assign(identity, { user: 'root' }),
    'the routes of who calls': ({ identity }) => void (identity.routes as string[]).push('other'),
    'the budgets of who calls': ({ identity }) => Object.assign(identity.budgets![0]!, { limitUsd: 1_000 }),
    'the route': (call) => Object.assign(call, { route: 'other' }),
  }
  it.each(Object.keys(intrusions))(
    'case 92: a hook that changes %s in the call it was given is named',
    async (what) => {
      const session = { user: 'ada', routes: ['auto'], budgets: [{ limitUsd: 1, window: 'day' as const }] }
      const before = structuredClone(session)
      const router = routerOver([await answering()], {
        ledger: 'memory',
        model: { price: { input: 1, output: 1 } },
        plugins: [
          definePlugin({
            name: 'vandal',
            call: { stage: 'guard', run: (call, next) => (intrusions[what]!(call), next(call)) },
          }),
        ],
      })

      const answer = await send(await mount.serve(router, { identify: () => session }), { body: chat() })

      expect(answer.status).toBe(500)
      expect(answer.json().error).toMatchObject({ code: 'plugin_failed', message: expect.stringContaining('vandal') })
      expect(session).toEqual(before)
      await eventually(() => [...router.ledger!.calls()].length > 0)
      expect([...router.ledger!.calls()].map(({ identity }) => identity.user)).toEqual(['ada'])
    },
  )

  it('case 92: a hook changes a request by a copy', async () => {
    const { answer, upstream } = await served({
      name: 'seeding',
      call: (call, next) => next({ ...call, request: call.request.with({ seed: 7 }) }),
    })

    expect(answer.status).toBe(200)
    expect(upstream.requests[0]!.json()).toEqual(chat({ model: 'gpt-4.1', seed: 7 }))
  })

  it('case 92: a hook of an attempt that throws ends the call, and is named', async () => {
    const { answer, upstream } = await served({ name: 'faulty', attempt: { stage: 'budget', run: fail } })

    expect(answer.status).toBe(500)
    expect(answer.json().error).toMatchObject({ ...broken, code: 'plugin_failed' })
    expect(upstream.requests).toHaveLength(0)
  })

  it.each([
    {
      title: 'throws',
      listener: () => {
        throw new Error('a listener')
      },
    },
    { title: 'rejects', listener: () => Promise.reject(new Error('a listener')) },
  ])('case 93: a listener that $title touches no call, and an error in it kills nothing', async ({ listener }) => {
    const router = routerOver([await answering()])
    const failed: unknown[] = []
    router.on('listener.failed', ({ event }) => failed.push(event))
    for (const event of ['call.started', 'attempt.started', 'attempt.ended', 'call.ended'] as const)
      router.on(event, listener)

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.status).toBe(200)
    await eventually(() => failed.length === 4)
  })
})

describe('an identity that a plugin shares', () => {
  it('is the one that the host gave, for every attempt', async () => {
    const seen: unknown[] = []
    const first = await upstreamThat(jsonError(500))
    const router = routerOver([first, await answering()], {
      plugins: [
        definePlugin({
          name: 'seeing',
          attempt: (attempt, next) => {
            seen.push(attempt.call.identity)
            return next(attempt)
          },
        }),
      ],
    })

    await router.as({ user: 'u1' }).handle({ body: chat() })

    expect(seen).toEqual([{ user: 'u1' }, { user: 'u1' }])
  })
})
