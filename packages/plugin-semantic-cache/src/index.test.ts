import {
  type Call,
  type Identity,
  type Plugin,
  createRouter,
  definePlugin,
  isSignalboxError,
  openaiCompatible,
  plainReply,
  readBody,
} from '@signalbox/core'
import { createFakeClock, createSimulatedDispatcher, seededRandom } from '@signalbox/testkit'
import { pluginContract } from '@signalbox/testkit/plugin'
import { expect, it } from 'vitest'
import semanticCache from './index.ts'
import { NearestNeighbours, directionOf } from './nearest.ts'

/** A vector of the words in a text: the same words are the same meaning. */
const embed = (text: string) => {
  const vector = Array.from({ length: 64 }, () => 0)
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    const place = Array.from(word).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 64, 7)
    vector[place]! += 1
  }
  return vector
}

let embedded = 0
pluginContract(() => semanticCache({ embed: (text) => embed(`${text} ${++embedded}`), threshold: 1 }))

function boxed(options: Partial<Parameters<typeof semanticCache>[0]> = {}, plugins: Plugin[] = []) {
  const clock = createFakeClock({ turns: 1 })
  const dispatcher = createSimulatedDispatcher({ clock })
  const model = openaiCompatible({ baseUrl: 'http://a.invalid/v1', dispatcher, price: false })
  const plugin = semanticCache({ embed, threshold: 0.9, ...options })
  const router = createRouter({ models: { a: model }, clock, plugins: [...plugins, plugin] })
  const ask = async (
    content: unknown,
    { identity = {}, ...extra }: { identity?: Identity; [field: string]: unknown } = {},
  ) => {
    const before = dispatcher.counts.requests
    const body = {
      model: 'a',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content },
      ],
      ...extra,
    }
    const reply = router.handle({ body, identity }).catch((error: unknown) => error)
    await clock.advance(30_000)
    expect(isSignalboxError(await reply)).toBe(false)
    return dispatcher.counts.requests === before ? 'hit' : 'miss'
  }
  return { ask, clock }
}

it('answers what means the same from what was answered, and nothing else', async () => {
  const { ask } = boxed()
  expect(await ask('What is the capital of France?')).toBe('miss')
  expect(await ask('the capital of france is WHAT')).toBe('hit')
  expect(await ask('What is the capital of Portugal?')).toBe('miss')
})

it('gives nothing to calls that plugins labelled otherwise: labels choose models', async () => {
  const labels = ['one', 'two', 'two']
  const labelling = definePlugin({
    name: 'labelling',
    call: { stage: 'classify', run: (call, next) => next({ ...call, labels: { arm: labels.shift()! } }) },
  })
  const { ask } = boxed({}, [labelling])
  expect([await ask('Say hello'), await ask('Say hello'), await ask('Say hello')]).toEqual(['miss', 'miss', 'hit'])
})

it.each([
  ['another user', { identity: { user: 'bob' } }],
  ['another team', { identity: { user: 'ada', team: 't' } }],
  [
    'other instructions',
    {
      messages: [
        { role: 'system', content: 'Be rude.' },
        { role: 'user', content: 'Say hello' },
      ],
    },
  ],
  [
    'a question of another person',
    {
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', name: 'bob', content: 'Say hello' },
      ],
    },
  ],
  ['another temperature', { temperature: 0.3 }],
  ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
])('shares nothing with %s', async (_what, extra) => {
  const { ask } = boxed()
  expect(await ask('Say hello', { identity: { user: 'ada' } })).toBe('miss')
  expect(await ask('Say hello', { identity: { user: 'ada' } })).toBe('hit')
  expect(await ask('Say hello', { identity: { user: 'ada' }, ...extra })).toBe('miss')
})

it('passes by what is not text alone', async () => {
  const { ask } = boxed()
  const picture = [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url: 'http://x/1.png' } },
  ]
  for (let times = 0; times < 2; times++) expect(await ask(picture)).toBe('miss')
})

it('forgets after a time, and a failing embedder is a miss', async () => {
  const { ask, clock } = boxed({ ttlMs: 60_000 })
  await ask('Say hello')
  expect(await ask('Say hello')).toBe('hit')
  await clock.advance(60_000)
  expect(await ask('Say hello')).toBe('miss')
  const broken = boxed({ embed: () => Promise.reject(new Error('no model')) })
  for (let times = 0; times < 2; times++) expect(await broken.ask('Say hello')).toBe('miss')
})

it('keeps no more answers and no more tenants than it is told', async () => {
  const { ask } = boxed({ maximumAnswers: 2, maximumTenants: 2 })
  for (const question of ['one apple', 'two pears', 'three plums']) await ask(question)
  expect([await ask('three plums'), await ask('two pears'), await ask('one apple')]).toEqual(['hit', 'hit', 'miss'])
  for (const user of ['ada', 'bob']) await ask('one apple', { identity: { user } })
  expect(await ask('three plums')).toBe('miss')
})

it('finds the nearest above the threshold', () => {
  const points = new NearestNeighbours<string>(10)
  points.add(directionOf([1, 0]), 'east', 0)
  points.add(directionOf([1, 1]), 'north-east', 0)
  points.add(directionOf([1, 0, 0]), 'another space', 0)
  expect(points.find(directionOf([5, 4]), 0.9, 0)).toBe('north-east')
  expect(points.find(directionOf([0, 1]), 0.9, 0)).toBeUndefined()
  expect(points.find(directionOf([1, 0]), 0.9, 1)).toBeUndefined()
  expect(points.size).toBe(0)
})

it('has the same vector for the same meaning, whatever is lost in rounding', async () => {
  const random = seededRandom(3)
  for (let turn = 0; turn < 50; turn++) {
    const vector = Float64Array.from({ length: 300 }, () => random() - 0.5)
    const { ask } = boxed({ embed: () => vector, threshold: 1 })
    expect([await ask('Say hello'), await ask('Say hello')]).toEqual(['miss', 'hit'])
  }
})

it.each([
  ['no vector', undefined],
  ['an empty one', []],
  ['one that points nowhere', [0, 0]],
  ['one with what is no number', [1, NaN]],
  ['one without an end', [Infinity, 1]],
])('takes %s of an embedder for nothing known', async (_what, vector) => {
  const { ask } = boxed({ embed: () => vector as number[], threshold: 0 })
  for (let times = 0; times < 2; times++) expect(await ask('Say hello')).toBe('miss')
})

it('goes on without an embedder that never settles, as soon as its time is up', async () => {
  const { clock, router, asked } = direct({ embed: () => new Promise(() => undefined), timeoutMs: 500 })
  const reply = router.handle({ body: { model: 'a', messages: [{ role: 'user', content: 'hi' }] } })
  await clock.advance(499)
  expect(asked).toHaveLength(0)
  await clock.advance(1)
  expect(await reply).toMatchObject({ status: 200 })
})

/** A router with a model that numbers its answers, whatever is asked. */
function direct(options: Partial<Parameters<typeof semanticCache>[0]> = {}) {
  const clock = createFakeClock()
  const asked: Call[] = []
  const model = definePlugin({
    name: 'model',
    call: {
      stage: 'admit',
      run: async (call) => {
        const body = Buffer.from(JSON.stringify({ number: asked.push(call) }))
        return plainReply({ status: 200, headers: {}, dialect: call.dialect, model: 'a', body })
      },
    },
  })
  const plugins = [model, semanticCache({ embed, threshold: 0.5, ...options })]
  const router = createRouter({ models: { a: { provider: 'openai' } }, clock, plugins })
  return { clock, router, asked }
}

type Init = Omit<Parameters<ReturnType<typeof direct>['router']['handle']>[0], 'body'> & { readonly body: object }

const toolResult = (given: unknown, ...texts: string[]): Init => {
  const words = texts.map((text) => ({ type: 'text', text }))
  const content = [{ type: 'tool_result', tool_use_id: 't', content: given }, ...words]
  return { dialect: 'anthropic-messages', body: { max_tokens: 9, messages: [{ role: 'user', content }] } }
}
const question = { messages: [{ role: 'user', content: 'Say hello to all' }] }

it.each<[string, Init, Init]>([
  [
    'embeddings, which are as different as their texts',
    { dialect: 'openai-embeddings', body: { input: 'Say hello to all' } },
    { dialect: 'openai-embeddings', body: { input: 'Say hello to me' } },
  ],
  ['what a tool gave', toolResult('it is 21 degrees'), toolResult('it is 22 degrees')],
  [
    'what a tool gave in parts',
    toolResult([{ type: 'text', text: 'it is 21 degrees' }]),
    toolResult([{ type: 'text', text: 'it is 22 degrees' }]),
  ],
  [
    'what a tool gave beside the same words',
    toolResult('it is 21 degrees', 'Say hello'),
    toolResult('it is 22 degrees', 'Say hello'),
  ],
  ['callers of other models', { body: question, identity: { models: ['a'] } }, { body: question }],
  ['callers who may spend more', { body: question, identity: { maxCostUsd: 1 } }, { body: question }],
  ['another version of a provider', { body: question, headers: { 'openai-beta': 'x' } }, { body: question }],
])('shares nothing between %s', async (_what, one, other) => {
  const { router, asked } = direct()
  for (const init of [one, other]) {
    await router.handle({ ...init, body: { model: 'a', ...init.body } })
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(asked).toHaveLength(2)
})

const picture = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }
it.each<[string, object[]]>([
  ['about a picture', [picture, { role: 'assistant', content: 'A cat.' }, { role: 'user', content: 'Say hello' }]],
  [
    'with an answer that is begun',
    [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'Say hello' },
    ],
  ],
  ['without words', [{ role: 'user', content: '' }]],
])('passes by a call %s', async (_what, messages) => {
  const { router, asked } = direct()
  for (let times = 0; times < 2; times++) {
    await router.handle({ body: { model: 'a', messages } })
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(asked).toHaveLength(2)
})

it('asks the embedder once for a call', async () => {
  const texts: string[] = []
  const { router } = direct({ embed: (text) => [texts.push(text), 1] })
  await router.handle({ body: { model: 'a', ...question } })
  await new Promise((resolve) => setImmediate(resolve))
  expect(texts).toEqual(['Say hello to all'])
})

it('keeps what the caller says of caches: no-cache brings a new answer for all who ask later', async () => {
  const { router } = direct()
  const said: string[] = []
  for (const cacheControl of ['', '', 'no-cache', '', 'no-store', '']) {
    const reply = await router.handle({ body: { model: 'a', ...question }, cacheControl })
    said.push(`${reply.headers['x-signalbox-cache']} ${Buffer.from(await readBody(reply)).toString()}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const number = (outcome: string, of: number) => `${outcome} {"number":${of}}`
  expect(said).toEqual([
    number('miss', 1),
    number('hit', 1),
    number('miss', 2),
    number('hit', 2),
    number('bypass', 3),
    number('hit', 2),
  ])
})
