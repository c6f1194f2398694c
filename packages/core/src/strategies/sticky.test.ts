import { createFakeClock, createSimulatedDispatcher, seededRandom } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  type Identity,
  type PriceSettings,
  type RouteOptions,
  byBandit,
  byCascade,
  byComplexity,
  bySticky,
  createRouter,
  heuristicClassifier,
  openaiCompatible,
} from '../index.ts'

/** A long document, as a conversation begins with one: about 3,000 tokens. */
const document = 'The quick brown fox jumps over the lazy dog. '.repeat(300)
const hard = 'Compare, analyze and optimize this design:\n```js\nclass A {}\n```'

type Said = { readonly role: string; readonly content: string }
const user = (content: string): Said => ({ role: 'user', content })
const assistant = (content: string): Said => ({ role: 'assistant', content })

/** Two models at these prices, and a router that draws one of them for each call that nothing keeps anywhere. */
function setUp(route: RouteOptions, prices: Readonly<Record<string, PriceSettings>>) {
  const clock = createFakeClock({ turns: 1 })
  const models = Object.entries(prices).map(([name, price]) => {
    const dispatcher = createSimulatedDispatcher({ clock, latencyMs: () => (name === 'slow' ? 200 : 100) })
    return [name, openaiCompatible({ baseUrl: `http://${name}.invalid/v1`, dispatcher, price })] as const
  })
  const options = {
    models: Object.fromEntries(models),
    routes: { auto: route },
    clock,
    random: seededRandom(1),
    plugins: [heuristicClassifier()],
    ledger: 'memory',
  } as const
  const router = createRouter(options)
  onTestFinished(() => router.close())
  const ask = async (messages: readonly Said[], identity: Identity = {}) => {
    const begun = router.begin({ body: { model: 'auto', messages }, identity })
    const ended = begun.reply.then(async (reply) => reply.ended)
    await clock.advance(1_000)
    await ended
    return begun.record
  }
  const firstOf = async (messages: readonly Said[], identity: Identity = {}) => {
    const { candidates } = await router.explain({ body: { model: 'auto', messages }, identity })
    return candidates[0]!
  }
  return { router, options, clock, ask, firstOf }
}

const discounted = { input: 2, cachedInput: 0.2, output: 2 }
const turns: RouteOptions = { strategy: bySticky({ strategy: 'round-robin' }), models: ['a', 'b'] }

describe('a sticky route', () => {
  it('keeps a conversation where its prompt is cached, says what that saves, and moves others on', async () => {
    const { ask, firstOf } = setUp(turns, { a: discounted, b: discounted })
    const talk = [user(document)]
    expect((await ask(talk)).model).toBe('a')
    const next = [...talk, assistant('Indeed.'), user('And why?')]
    const { name, reason } = await firstOf(next)
    expect(name).toBe('a')
    const [, tokens, saved, stay, go] =
      /^stays: the prompt cache of a holds about (\d+) tokens, which saves ([\d.]+) USD; ([\d.]+) against ([\d.]+) USD at b$/
        .exec(reason)!
        .map(Number)
    // 1.8 USD per million tokens less, for each token that is cached.
    expect(saved).toBeCloseTo((tokens! * 1.8) / 1e6, 6)
    expect(go! - stay!).toBeCloseTo(saved!, 6)
    expect((await ask(next)).model).toBe('a')
    // Another conversation, another caller and a short conversation have nothing that is kept.
    expect((await firstOf([user('Hello'), assistant('Hi'), user('And why?')])).name).toBe('b')
    expect((await firstOf(next, { user: 'eve' })).name).toBe('b')
    expect((await firstOf([user(`${document}!`), assistant('Indeed.'), user('And why?')])).name).toBe('b')
  })

  it('says of no model that it was drawn where a conversation stays, and a bandit inside learns nothing of that', async () => {
    const route = { strategy: bySticky({ strategy: byBandit({ arms: ['a', 'b'] }) }) }
    const { ask } = setUp(route, { a: discounted, b: discounted })
    const talk = [user(document)]
    const { model, candidates } = await ask(talk)
    expect(candidates.map(({ propensity }) => propensity)).toEqual([0.5, 0.5])
    for (let turn = 0; turn < 5; turn++) {
      talk.push(assistant('Indeed.'), user(`And why ${turn}?`))
      const record = await ask(talk)
      expect(record.model).toBe(model)
      expect(record.candidates.map(({ propensity }) => propensity)).toEqual([undefined, undefined])
      expect(record.assessment).toMatchObject({ inner: { beliefs: { [model!]: { calls: 1 } } } })
    }
  })

  it('keeps it on the route that answered, where a plugin hands a call on to a second one', async () => {
    const clock = createFakeClock({ turns: 1 })
    const upstreams = { a: createSimulatedDispatcher({ clock }), b: createSimulatedDispatcher({ clock }) }
    upstreams.a.fail({ status: 500 })
    const model = (name: 'a' | 'b') =>
      openaiCompatible({ baseUrl: `http://${name}.invalid/v1`, dispatcher: upstreams[name], price: discounted })
    const router = createRouter({
      models: { a: model('a'), b: model('b') },
      routes: {
        first: { models: ['a'], strategy: bySticky({ strategy: 'ordered' }) },
        second: { models: ['b', 'a'], strategy: bySticky({ strategy: 'round-robin' }) },
      },
      plugins: [{ name: 'second', call: (call, next) => next(call).catch(() => next({ ...call, route: 'second' })) }],
      clock,
      retry: false,
      health: false,
    })
    onTestFinished(() => router.close())
    const talk = [user(document)]
    const answer = router.handle({ body: { model: 'first', messages: talk } })
    await clock.advance(10_000)
    expect((await answer).model).toBe('b')
    const next = [...talk, assistant('Indeed.'), user('And why?')]
    const { candidates } = await router.explain({ body: { model: 'second', messages: next } })
    expect(candidates[0]).toMatchObject({ name: 'b', reason: expect.stringMatching(/^stays/) })
  })

  it('keeps it no longer than the cache lives', async () => {
    const { ask, firstOf, clock } = setUp(turns, { a: discounted, b: discounted })
    await ask([user(document)])
    const next = [user(document), assistant('Indeed.'), user('And why?')]
    await clock.advance(290_000)
    expect((await firstOf(next)).name).toBe('a')
    await clock.advance(20_000)
    expect((await firstOf(next)).name).toBe('b')
  })

  it('lets it go where another model is cheaper still, or cached tokens cost no less', async () => {
    const dear = setUp(turns, { a: { input: 20, cachedInput: 10, output: 20 }, b: discounted })
    await dear.ask([user(document)])
    const next = [user(document), assistant('Indeed.'), user('And why?')]
    expect(await dear.firstOf(next)).toMatchObject({
      name: 'b',
      reason: expect.stringMatching(/^its turn; cheaper than to stay at a: 0\.\d+ against 0\.\d+ USD$/),
    })
    const plain = setUp(turns, { a: { input: 2, output: 2 }, b: { input: 2, output: 2 } })
    await plain.ask([user(document)])
    expect(await plain.firstOf(next)).toMatchObject({ name: 'b', reason: 'its turn' })
    // Where writing to the cache is paid for, nothing is cached unless the provider says so.
    const explicit = { ...discounted, cacheWrite: 2.5 }
    const paid = setUp(turns, { a: explicit, b: explicit })
    await paid.ask([user(document)])
    expect((await paid.firstOf(next)).name).toBe('b')
  })

  it('stays at its stronger model when the talk gets easier, and leaves a weak one when it gets harder', async () => {
    const levels = bySticky({ strategy: byComplexity({ simple: ['small'], complex: ['large'] }) })
    const { ask, firstOf } = setUp({ strategy: levels }, { small: discounted, large: { ...discounted, output: 4 } })
    const long = [user(`${hard} ${document}`), assistant('Done.')]
    expect((await ask(long.slice(0, 1))).model).toBe('large')
    const easier = [...long, user('Thank you. What is the weather like in the old city of Rome on this fine day?')]
    expect((await firstOf(easier)).name).toBe('large')

    const { ask: begin, firstOf: then } = setUp({ strategy: levels }, { small: discounted, large: discounted })
    const easy = [user('Good morning, what is new?'), assistant(document)]
    expect((await begin(easy.slice(0, 1))).model).toBe('small')
    expect((await begin([...easy, user('What is the weather like in the old city of Rome on this day?')])).model).toBe(
      'small',
    )
    const harder = [
      ...easy,
      user('What is the weather like in the old city of Rome on this day?'),
      assistant('Fine.'),
      user(hard),
    ]
    expect(await then(harder)).toMatchObject({
      name: 'large',
      reason: expect.stringContaining('small is weaker than this asks for, so it leaves it'),
    })
  })

  it('does not go to a model that was asked besides, to verify an answer', async () => {
    const verified = byCascade({ cheap: ['quick'], strong: ['slow'], verify: { use: 'agreement', with: 'slow' } })
    const { ask, firstOf } = setUp(
      { strategy: bySticky({ strategy: verified }) },
      { quick: { input: 1, output: 1 }, slow: discounted },
    )
    const talk = [user(document)]
    expect(await ask(talk)).toMatchObject({ model: 'quick', attempts: [{ model: 'slow' }, { model: 'quick' }] })
    expect((await firstOf([...talk, assistant('Indeed.'), user('And why?')])).name).toBe('quick')
  })

  it('is replayed from what is recorded', async () => {
    const { ask, router, options } = setUp(turns, { a: discounted, b: discounted })
    const talk = [user(document)]
    for (let turn = 0; turn < 6; turn++) {
      await ask(talk)
      talk.push(assistant('Indeed.'), user(`And why, for the ${turn}th time?`))
    }
    const calls = [...router.ledger!.calls()]
    expect(calls.map(({ model }) => model)).toEqual(['a', 'a', 'a', 'a', 'a', 'a'])
    const fresh = createRouter(options)
    onTestFinished(() => fresh.close())
    for (const call of calls) expect(await fresh.replay(JSON.parse(JSON.stringify(call)))).toEqual({ outcome: 'same' })
  })
})
