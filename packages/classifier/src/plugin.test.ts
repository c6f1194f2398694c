import { type Call, type CallRecord, createRouter, isSignalboxError, openaiCompatible } from '@signalbox/core'
import { startSimulatedProvider } from '@signalbox/testkit'
import * as fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import { byLearned } from './by-learned.ts'
import { learnedClassifier } from './plugin.ts'
import type { ProfileFile } from './profile-file.ts'
import { parseProfile } from './profile.ts'
import { shippedProfile } from './shipped.ts'
import { expectedLengthOf, taskOf } from './task.ts'

const profile = shippedProfile()

async function routerWith(lambda: number) {
  const provider = await startSimulatedProvider()
  const model = { provider: 'openai-compatible', baseUrl: provider.baseUrl, model: 'gpt-4.1', apiKey: 'any' } as const
  const candidates = {
    small: { like: 'gpt-4o-mini', costUsd: 0.0002 },
    large: { like: 'gpt-4o-2024-08-06', costUsd: 0.004 },
  }
  const router = createRouter({
    models: { small: model, large: model, stranger: model },
    routes: { auto: { models: ['stranger', 'small', 'large'], strategy: byLearned({ profile, lambda, candidates }) } },
    plugins: [learnedClassifier({ also: ({ task }, call: Call) => ({ own: `${task} by ${call.identity.user}` }) })],
  })
  onTestFinished(async () => {
    await router.close()
    await provider.close()
  })
  return router
}

const ask = (content: unknown, rest: object = {}) => ({
  body: { model: 'auto', messages: [{ role: 'user', content }], ...rest },
  identity: { user: 'ada' },
})

it('labels every call, and the strategy takes the best model for the money', async () => {
  const thrifty = await routerWith(1e6)
  const lavish = await routerWith(0)
  const body = ask('Prove that every bounded sequence has a convergent subsequence, and then generalise it at length.')
  expect(await thrifty.handle(body)).toMatchObject({ status: 200, model: 'small' })
  const { record, reply }: { record: CallRecord; reply: Promise<unknown> } = lavish.begin(body)
  expect(await reply).toMatchObject({ model: 'large' })
  expect(record.labels).toEqual({
    domain: expect.stringMatching(/./),
    complexity: expect.stringMatching(/^(simple|moderate|complex)$/),
    task: 'maths',
    expectedLength: 'medium',
    own: 'maths by ada',
  })
})

it('keeps a conversation that was complex complex, and takes a follow-up for moderate at least', async () => {
  const router = await routerWith(0)
  const complexityOf = async (...contents: string[]) => {
    const messages = contents.map((content, at) => ({ role: at % 2 ? 'assistant' : 'user', content }))
    const { labels } = await router.explain({ body: { model: 'auto', messages } })
    return labels['complexity']
  }
  const proof = `Prove that every bounded sequence has a convergent subsequence.${' Generalise it to metric spaces.'.repeat(40)}`
  const small = 'Good morning, and how are you on this fine and sunny day in May?'
  expect([await complexityOf(proof), await complexityOf(small)]).toEqual(['complex', 'simple'])
  expect(await complexityOf(proof, 'Done.', small)).toBe('complex')
  expect(await complexityOf(small, 'Fine.', 'And that?')).toBe('moderate')
  expect(await complexityOf(small, 'Fine.', small)).toBe('simple')
})

it('labels a call the same however its prompt is spaced and cased', async () => {
  const router = await routerWith(0)
  const labelsOf = async (content: string) => (await router.explain(ask(content))).labels
  const known =
    'Prove that Summarize this in detail briefly code Python return why? 12 = Hãy viết báo cáo tóm tắt đầy đủ 请翻译 总结 ' +
    'Напиши código Fasse zusammen x^2'
  const word = fc.constantFrom(...known.split(' '))
  const gap = fc.stringMatching(/^[ \t\n\u00a0\u3000]{1,4}$/)
  const words = fc.array(fc.tuple(word, gap), { maxLength: 40 })
  const property = fc.asyncProperty(words, fc.boolean(), async (all, isUpper) => {
    const plain = all.map(([text]) => text).join(' ')
    const spaced = all.map(([text, space]) => space + text).join('')
    expect(await labelsOf(isUpper ? spaced.toUpperCase() : spaced.toLowerCase())).toEqual(await labelsOf(plain))
  })
  await fc.assert(property, { numRuns: 200 })
})

it.each([
  [{ lambda: 10 }, ['small', 'large']],
  [{ target: { targetShare: 0.2 } }, ['small', 'large']],
  [{}, ['large', 'small']],
])('takes no model for free whose price nobody knows, where cost counts: by %j', async (options, order) => {
  const candidates = { large: { like: 'gpt-4o-2024-08-06' }, small: { like: 'gpt-4o-mini', costUsd: 0.0002 } }
  const large = openaiCompatible({ baseUrl: 'http://large.invalid/v1' })
  const router = createRouter({
    models: { large, small: openaiCompatible({ baseUrl: 'http://small.invalid/v1' }) },
    routes: { auto: { models: ['large', 'small'], strategy: byLearned({ profile, candidates, ...options }) } },
  })
  const { candidates: ranked } = await router.explain(ask('Prove that every bounded sequence has a limit point.'))
  await router.close()
  expect(ranked.map(({ name }) => name)).toEqual(order)
  expect(ranked.find(({ name }) => name === 'large')!.reason).toContain('at an unknown price')
})

it('takes a model for free that the profile says is', async () => {
  const file = JSON.parse(JSON.stringify(profile)) as ProfileFile
  const free = 'gpt-4o-2024-08-06'
  const models = file.models.map((model) => (model.name === free ? { ...model, meanCostUsd: 0 } : model))
  const strategy = byLearned({
    profile: parseProfile({ ...file, models }),
    lambda: 10,
    candidates: { large: { like: free }, small: { like: 'gpt-4o-mini', costUsd: 0.0002 } },
  })
  const router = createRouter({
    models: {
      small: openaiCompatible({ baseUrl: 'http://small.invalid/v1' }),
      large: openaiCompatible({ baseUrl: 'http://large.invalid/v1' }),
    },
    routes: { auto: { models: ['small', 'large'], strategy } },
  })
  onTestFinished(() => router.close())
  const { candidates } = await router.explain(ask('Prove that every bounded sequence has a limit point.'))
  expect(candidates.map(({ name }) => name)).toEqual(['large', 'small'])
  expect(candidates[0]!.reason).toContain('at 0.0 USD')
})

it('says why each model stands where it stands, one that the profile does not know behind the others', async () => {
  const router = await routerWith(10)
  const { candidates } = await router.explain(ask('hello'))
  expect(candidates.map(({ name }) => name).toSorted()).toEqual(['large', 'small', 'stranger'])
  expect(candidates.find(({ name }) => name === 'small')!.reason).toMatch(
    /^expected quality 0\.\d+ at 0\.00020 USD, lambda 10$/,
  )
  expect(candidates.at(-1)).toMatchObject({ name: 'stranger', reason: 'the profile does not know it' })
})

it.each([
  ['nothing', null],
  [
    'parts',
    [
      { type: 'text', text: 'Translate this' },
      { type: 'image_url', image_url: { url: 'data:,' } },
    ],
  ],
  ['lone surrogates', '\ud800\udc00\ud800'],
  ['20,000 words of Chinese', '翻译机器学习'.repeat(5000)],
])('labels a call whose content is %s', async (_, content) => {
  const router = await routerWith(10)
  const { labels } = await router.explain(ask(content))
  expect(Object.keys(labels).toSorted()).toEqual(['complexity', 'domain', 'expectedLength', 'own', 'task'])
})

it('refuses a profile that is not above the zero router', () => {
  const idle = parseProfile({ ...profile.toJSON(), enabled: false })
  let thrown: unknown
  try {
    byLearned({ profile: idle })
  } catch (error) {
    thrown = error
  }
  expect(isSignalboxError(thrown) && thrown.code).toBe('invalid_config')
})

it.each([
  ['profile: expected a profile, as parseProfile makes it, got undefined', {}],
  ['profile: expected a profile, as parseProfile makes it, got "./profile.json"', { profile: './profile.json' }],
  ['profile: expected a profile, as parseProfile makes it, got {"format"', { profile: profile.toJSON() }],
  ['lambda: expected a number from 0, got NaN', { profile, lambda: Number.NaN }],
  ['lambda: expected a number from 0, got "20"', { profile, lambda: '20' }],
  ['targetShare: unknown key; there are profile, lambda, target', { profile, targetShare: 0.2 }],
  ['candidates.big.like: expected a model of the profile (', { profile, candidates: { big: { like: 'gpt-9' } } }],
  ['lambda: expected a number from 0, got Infinity', { profile, lambda: Infinity }],
  ['target.targetShare: expected a number from 0 to 1, got NaN', { profile, target: { targetShare: Number.NaN } }],
  ['candidates.big', { profile, candidates: { big: null } }],
  ['candidates.big.costUsd: expected US dollars, got NaN', { profile, candidates: { big: { costUsd: Number.NaN } } }],
])('refuses at start: %s', (message, options) => {
  expect(() => byLearned(options as never)).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining(message) }),
  )
})

it.each([
  ['Write a Python function that sorts a list', 'code'],
  ['Viết hàm kiểm tra số nguyên tố', 'code'],
  ['请翻译这句话', 'translate'],
  ['Fasse den Text zusammen', 'summarise'],
  ['  TÓM TẮT\n đoạn văn này', 'summarise'],
  ['Escribe un poema', 'write'],
  ['12 % + 7 % = ?', 'maths'],
  ['bonjour', 'chat'],
])('%s is %s', (prompt, task) => {
  expect(taskOf(prompt)).toBe(task)
  expect(taskOf(prompt.normalize('NFD'))).toBe(task)
})

it.each([
  ['Answer briefly: why?', undefined, 'short'],
  ['Give me a detailed report', undefined, 'long'],
  ['Viết báo cáo đầy đủ', undefined, 'long'],
  ['一句话概括', undefined, 'short'],
  ['Give me a detailed report', 20, 'short'],
  ['Tell me about bees', undefined, 'medium'],
] as const)('%s with a limit of %s is wanted %s', (prompt, limit, length) => {
  expect(expectedLengthOf(prompt, limit)).toBe(length)
})
