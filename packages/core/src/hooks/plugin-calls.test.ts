import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import type { RouterOptions } from '../config/options.ts'
import { SignalboxError } from '../errors.ts'
import type { Warning } from '../events.ts'
import { type HookOptions, type PluginServices, definePlugin } from '../plugin.ts'
import type { Provider } from '../providers/provider.ts'
import { plainReply, readBody } from '../reply.ts'
import { createRouter } from '../router.ts'
import type { Attempt, Call, Reply } from '../types.ts'

let asked: string[] = []

/** The model `judge` may be down; the model `a` never is. */
const provider = (isDown: boolean): Provider => ({
  name: 'own',
  dialect: 'openai-chat',
  connect: (_options, { name }) => ({
    domain: name,
    send: async () => {
      asked.push(name)
      if (isDown && name === 'judge') throw new SignalboxError('upstream_unreachable', 'The judge is down')
      const body = Buffer.from('{"choices":[{"message":{"content":"code"},"finish_reason":"stop"}]}')
      return plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model: name, body })
    },
  }),
})

/** Asks the judge of each call what it is. */
const judging = (options: Omit<HookOptions<Call>, 'run'>) => {
  let services: PluginServices | undefined
  return definePlugin({
    name: 'judging',
    setup: (given) => void (services = given),
    call: {
      stage: 'classify',
      ...options,
      async run(call, next) {
        const verdict = await services!.handle(call, { body: { model: 'judge', messages: [], temperature: 0 } })
        await readBody(verdict)
        return next(call)
      },
    },
  })
}

function routed(
  onError: 'open' | 'closed',
  { isDown = false, ...options }: Partial<RouterOptions> & { isDown?: boolean },
) {
  asked = []
  const own = { provider: provider(isDown), price: false } as const
  const plugins = [judging({ onError })]
  return createRouter({ models: { a: own, judge: own }, clock: createFakeClock(), plugins, ...options })
}

const ask = { body: { model: 'a', messages: [] } }

describe('a call of a plugin that fails', () => {
  it('is a failure of the plugin: an open one is stepped over, and the operator is told', async () => {
    const router = routed('open', { isDown: true })
    const warnings: Warning[] = []
    router.on('warning', (warning) => warnings.push(warning))
    await expect(router.handle(ask)).resolves.toMatchObject({ model: 'a' })
    expect(warnings).toEqual([expect.objectContaining({ kind: 'plugin_skipped', plugin: 'judging' })])
    expect(warnings[0]!.message).toContain('The judge is down')
    await router.close()
  })

  it('names a closed one', async () => {
    const router = routed('closed', { isDown: true })
    await expect(router.handle(ask)).rejects.toMatchObject({ code: 'upstream_unreachable', plugin: 'judging' })
    expect(asked).not.toContain('a')
    await router.close()
  })
})

it.each([
  ['keeps nothing of a caller that wants nothing kept', 'no-store', 2],
  ['asks anew for a caller that wants a new answer', 'no-cache', 2],
  ['is answered from the cache otherwise', undefined, 1],
])('a call of a plugin %s', async (_what, cacheControl, times) => {
  const router = routed('closed', { cache: {} })
  for (let call = 0; call < 2; call++) await router.handle({ ...ask, ...(cacheControl && { cacheControl }) })
  expect(asked.filter((name) => name === 'judge')).toHaveLength(times)
  await router.close()
})

describe('a call of a plugin that asks what its caller asks', () => {
  const twice = (place: 'admit' | 'retry') => {
    let services: PluginServices | undefined
    const askAlso = async (call: Call) => {
      await readBody(await services!.handle(call, { body: call.request.body }))
    }
    const changed = (reply: Reply) => ({ ...reply, body: Buffer.from('changed') })
    const call: HookOptions<Call> = {
      stage: 'admit',
      run: async (one, next) => changed((await askAlso(one), await next(one))),
    }
    const attempt: HookOptions<Attempt> = {
      stage: 'retry',
      run: async (one, next) => changed((await askAlso(one.call), await next(one))),
    }
    return definePlugin({
      name: 'twice',
      setup: (given) => void (services = given),
      ...(place === 'admit' ? { call } : { attempt }),
    })
  }

  it.each(['admit', 'retry'] as const)(
    'at %s waits for no call that waits for it, and is no answer to it',
    async (place) => {
      const router = routed('closed', { cache: {}, plugins: [twice(place)] })
      const same = { body: { ...ask.body, temperature: 0 } }
      for (const outcome of ['miss', 'hit']) {
        const reply = await router.handle(same)
        expect(Buffer.from(await readBody(reply)).toString()).toBe('changed')
        expect(reply.headers['x-signalbox-cache']).toBe(outcome)
      }
      expect(asked).toEqual(['a', 'a'])
      await router.close()
    },
  )
})
