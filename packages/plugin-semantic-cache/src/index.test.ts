import { type Identity, type Plugin, createRouter, isSignalboxError, openaiCompatible } from '@signalbox/core'
import { createFakeClock, createSimulatedDispatcher } from '@signalbox/testkit'
import { pluginContract } from '@signalbox/testkit/plugin'
import { expect, it } from 'vitest'
import semanticCache from './index.ts'
import { NearestNeighbours } from './nearest.ts'

/** A vector of the words in a text: the same words are the same meaning. */
const embed = (text: string) => {
  const vector = Array.from({ length: 64 }, () => 0)
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    const place = Array.from(word).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 64, 7)
    vector[place]! += 1
  }
  return vector
}

let asked = 0
pluginContract(() => semanticCache({ embed: (text) => embed(`${text} ${++asked}`), threshold: 1 }))

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
  points.add([1, 0], 'east', 0)
  points.add([1, 1], 'north-east', 0)
  points.add([0, 0], 'nowhere', 0)
  points.add([1, 0, 0], 'another space', 0)
  expect(points.find([5, 4], 0.9, 0)).toBe('north-east')
  expect(points.find([-1, 0], 0, 0)).toBe('nowhere')
  expect(points.find([0, 1], 0.9, 0)).toBeUndefined()
  expect(points.find([1, 0], 0.9, 1)).toBeUndefined()
  expect(points.size).toBe(0)
})
