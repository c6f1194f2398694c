import { describe, expect, it } from 'vitest'
import {
  type AttemptStage,
  type CallStage,
  type Plugin,
  type Router,
  budgetGuard,
  cacheLayer,
  classifier,
  definePlugin,
  guard,
} from '@signalbox/core'
import { send } from './support/caller.ts'
import { mounts } from './support/mounts.ts'
import { modelAt, routerFor, simulatedProvider } from './support/routers.ts'

const callStages: readonly CallStage[] = ['observe', 'identify', 'guard', 'classify', 'cache', 'admit']
const attemptStages: readonly AttemptStage[] = ['retry', 'budget', 'limiter', 'breaker', 'timeout', 'meter']

/** A plugin of every kind, each of which says when it runs. */
function everyKind(seen: string[]): { readonly plugins: readonly Plugin[]; readonly order: readonly string[] } {
  const calls = callStages.map((stage) =>
    definePlugin({
      name: `call-${stage}`,
      call: { stage, run: (call, next) => (seen.push(`call-${stage}`), next(call)) },
    }),
  )
  const attempts = attemptStages.map((stage) =>
    definePlugin({
      name: `attempt-${stage}`,
      attempt: { stage, run: (attempt, next) => (seen.push(`attempt-${stage}`), next(attempt)) },
    }),
  )
  const say = (name: string) => void seen.push(name)
  const plugins = [
    definePlugin({ name: 'outermost', call: (call, next) => (say('outermost'), next(call)) }),
    definePlugin({ name: 'outermost-attempt', attempt: (attempt, next) => (say('outermost-attempt'), next(attempt)) }),
    ...calls,
    ...attempts,
    guard('lifted-guard', () => say('lifted-guard'), { enforce: 'post' }),
    classifier('lifted-classifier', () => say('lifted-classifier') ?? { seen: 'yes' }, { enforce: 'post' }),
    cacheLayer('lifted-layer', { get: () => say('lifted-layer'), set: () => undefined }, { enforce: 'post' }),
    budgetGuard('lifted-budget', { hold: () => say('lifted-budget') }, { enforce: 'post' }),
    definePlugin({ name: 'route', route: (_call, ranked, attempt) => (say('route'), attempt(ranked[0]!)) }),
  ]
  const lifted: Readonly<Record<string, string>> = {
    'call-guard': 'lifted-guard',
    'call-classify': 'lifted-classifier',
    'call-cache': 'lifted-layer',
    'attempt-budget': 'lifted-budget',
  }
  const withLifts = (names: readonly string[]) =>
    names.flatMap((name) => [name, ...(lifted[name] ? [lifted[name]] : [])])
  return {
    plugins,
    order: [
      'outermost',
      ...withLifts(callStages.map((stage) => `call-${stage}`)),
      'route',
      'outermost-attempt',
      ...withLifts(attemptStages.map((stage) => `attempt-${stage}`)),
    ],
  }
}

const prompt = [{ role: 'user', content: 'What is 17 * 23?' }]
/** What is asked on each surface. */
const surfaces = [
  { surface: 'chat completions', path: '/chat/completions', body: { messages: prompt } },
  { surface: 'messages', path: '/messages', body: { messages: prompt, max_tokens: 100 } },
]

type Ask = (router: Router, path: string, body: object) => Promise<{ status: number; text: string }>
const faces: readonly { readonly face: string; readonly ask: Ask }[] = [
  ...mounts.map(({ name, serve }) => ({
    face: name,
    ask: (async (router, path, body) => send(await serve(router), { path, body })) satisfies Ask,
  })),
  {
    face: 'router.fetch',
    ask: async (router, path, body) => {
      const answer = await router.fetch(`http://in.process/v1${path}`, { method: 'POST', body: JSON.stringify(body) })
      return { status: answer.status, text: await answer.text() }
    },
  },
]

describe.each(faces)('on $face', ({ ask }) => {
  describe.each(surfaces)('at $surface', ({ path, body }) => {
    it.each([false, true])('every kind of hook runs once and in the declared order, streamed: %s', async (stream) => {
      const provider = await simulatedProvider({ latencyScale: 0 })
      const seen: string[] = []
      const { plugins, order } = everyKind(seen)
      for (const registered of [plugins, plugins.toReversed()]) {
        const router = routerFor({
          models: { auto: modelAt(provider) },
          plugins: registered,
          untranslatable: 'report',
        })
        const { status, text } = await ask(router, path, { model: 'auto', stream, ...body })
        expect(status, text).toBe(200)
        expect(text).toContain('391')
        expect(seen.splice(0)).toEqual(order)
        const hooks = router.order.map(({ plugin }) => plugin).filter((name) => order.includes(name))
        expect(hooks).toEqual(order.filter((name) => name !== 'route'))
      }
    })
  })
})
