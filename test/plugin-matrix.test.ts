import { describe, expect, it } from 'vitest'
import {
  type AttemptStage,
  type CallStage,
  type DialectName,
  type Plugin,
  type Router,
  budgetGuard,
  cacheLayer,
  classifier,
  definePlugin,
  guard,
  readBody,
} from '@signalbox/core'
import { json } from '@signalbox/testkit'
import { send } from './support/caller.ts'
import { speakers } from './support/dialects.ts'
import { mounts } from './support/mounts.ts'
import { modelAt, routerFor, simulatedProvider, upstreamThat } from './support/routers.ts'

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

/** What is asked on each surface, and what an answer says. Embeddings never stream. */
const surfaces: readonly {
  readonly surface: DialectName
  readonly path: string
  readonly body: object
  readonly says: string
  readonly streams: readonly boolean[]
}[] = [
  ...speakers.map(({ name, path, request }) => {
    const body = JSON.parse(JSON.stringify(request()).replace('Say hello.', 'What is 17 * 23?')) as object
    return { surface: name, path, body, says: '391', streams: [false, true] }
  }),
  { surface: 'openai-embeddings', path: '/embeddings', body: { input: 'a' }, says: '0.391', streams: [false] },
]

const embeddings = json({
  object: 'list',
  data: [{ object: 'embedding', index: 0, embedding: [0.391] }],
  model: 'gpt-4.1',
  usage: { prompt_tokens: 1, total_tokens: 1 },
})

/** What is asked, over HTTP and in process. */
interface Question {
  readonly path: string
  readonly dialect: DialectName
  readonly body: object
}

type Ask = (router: Router, question: Question) => Promise<{ status: number; text: string }>
const faces: readonly { readonly face: string; readonly ask: Ask }[] = [
  ...mounts.map(({ name, serve }) => ({
    face: name,
    ask: (async (router, question) => send(await serve(router), question)) satisfies Ask,
  })),
  {
    face: 'router.fetch',
    ask: async (router, { path, body }) => {
      const answer = await router.fetch(`http://in.process/v1${path}`, { method: 'POST', body: JSON.stringify(body) })
      return { status: answer.status, text: await answer.text() }
    },
  },
  {
    face: 'router.handle',
    ask: async (router, { dialect, body }) => {
      const reply = await router.handle({ dialect, body })
      return { status: reply.status, text: Buffer.from(await readBody(reply)).toString() }
    },
  },
]

describe.each(faces)('on $face', ({ ask }) => {
  describe.each(surfaces)('in $surface', ({ surface, path, body, says, streams }) => {
    it.each(streams)('every kind of hook runs once and in the declared order, streamed: %s', async (stream) => {
      const provider = await (surface === 'openai-embeddings'
        ? upstreamThat(embeddings)
        : simulatedProvider({ latencyScale: 0 }))
      const seen: string[] = []
      const { plugins, order } = everyKind(seen)
      for (const registered of [plugins, plugins.toReversed()]) {
        const router = routerFor({
          models: { auto: modelAt(provider) },
          plugins: registered,
          untranslatable: 'report',
        })
        const question = { path, dialect: surface, body: { ...body, model: 'auto', ...(stream && { stream }) } }
        const { status, text } = await ask(router, question)
        expect(status, text).toBe(200)
        expect(text).toContain(says)
        expect(text.includes('data: ')).toBe(stream)
        expect(seen.splice(0)).toEqual(order)
        const hooks = router.order.map(({ plugin }) => plugin).filter((name) => order.includes(name))
        expect(hooks).toEqual(order)
      }
    })
  })
})
