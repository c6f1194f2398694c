import {
  type Router,
  byComplexity,
  byRules,
  createRouter,
  heuristicClassifier,
  openaiCompatible,
} from '@signalbox/core'
import { expect, it } from 'vitest'
import { expectRoute } from './expect-route.ts'
import { startProgrammableUpstream } from './programmable-upstream.ts'

const upstream = await startProgrammableUpstream()
const model = openaiCompatible({ baseUrl: upstream.baseUrl, price: { input: 1, output: 2 } })
const router: Router = createRouter({
  models: { cheap: model, strong: model, spare: model },
  routes: {
    auto: { strategy: byComplexity({ simple: ['cheap'], complex: ['strong'] }), fallback: ['spare'] },
    desk: {
      strategy: byRules({ rules: [{ when: { tier: 'pro', tools: true }, models: ['strong'] }], otherwise: ['cheap'] }),
    },
  },
  plugins: [heuristicClassifier()],
})
const hard = 'Compare, analyze and optimize this design:\n```js\nclass A {}\n```'

it('holds where the model is asked first, and sends nothing', async () => {
  await expectRoute(router, 'Good morning!').toBe('cheap')
  await expectRoute(router, hard).toBe('strong')
  await expectRoute(router, hard).not.toBe('cheap')
  await expectRoute(router, hard).toRank(['strong', 'cheap', 'spare'])
  expect(upstream.connections).toEqual([])
})

it('takes a conversation, another route, a caller and fields of the body', async () => {
  const messages = [
    { role: 'user', content: hard },
    { role: 'assistant', content: 'Done.' },
    { role: 'user', content: 'Thank you! What is the weather like, by the way, in the city of Rome today?' },
  ]
  await expectRoute(router, messages).toBe('strong')
  const tools = [{ type: 'function', function: { name: 'look_up', parameters: {} } }]
  const call = { identity: { tier: 'pro' } }
  await expectRoute(router, 'Hello', { route: 'desk', call, body: { tools } }).toBe('strong')
  await expect(expectRoute(router, 'Hello', { route: 'desk', call }).toBe('cheap')).resolves.toBeUndefined()
})

it('says what stands where and why, where another model is asked first', async () => {
  const thrown: unknown = await expectRoute(router, 'Good morning!')
    .toBe('strong')
    .catch((error: unknown) => error)
  expect(thrown).toMatchObject({ name: 'AssertionError', actual: 'cheap', expected: 'strong' })
  expect((thrown as Error).message).toContain(
    [
      'Expected "strong" to be asked first on the route "auto"',
      '  1. cheap: simple by its label; place 1 in the list',
      '  2. strong: behind simple: complex; place 1 in the list',
      '  3. spare: fallback',
      '  labels: complexity=simple, task=chat, expectedLength=short',
    ].join('\n'),
  )
  await expect(expectRoute(router, 'Hello').not.toBe('cheap')).rejects.toThrow('Expected not "cheap" to be asked first')
  await expect(expectRoute(router, 'Hello').toRank(['cheap'])).rejects.toThrow(
    'Expected cheap to be tried in this order',
  )
  await expect(expectRoute(router, 'Hello', { route: 'nowhere' }).toBe('cheap')).rejects.toThrow('no model or route')
})
