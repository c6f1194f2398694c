import { describe, expect, it } from 'vitest'
import { type RouterOptions, byBandit } from '@signalbox/core'
import { completionBody, seededRandom } from '@signalbox/testkit'
import { type Canned, limited, refused, yard } from './support/fake-upstream.ts'
import { listenTo, modelAt, routerFor } from './support/routers.ts'

const usage = { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 }
const answers: Canned = { body: completionBody({ content: 'hello', usage }) }

/** A route with a bandit over two models, which is called again and again. */
function play(
  options: object,
  models: { readonly a: object; readonly b: object },
  retry: RouterOptions['retry'] = false,
) {
  const { clock, router, call, upstreams } = yard({
    models,
    routes: { auto: { strategy: byBandit({ arms: ['a', 'b'], ...options }) } },
    ledger: 'memory',
    random: seededRandom(11),
    retry,
    breaker: false,
    health: false,
  })
  const told = listenTo(router)
  const ask = async (times: number) => {
    const answered: (string | undefined)[] = []
    for (let time = 0; time < times; time++) {
      const followed = call()
      await clock.advance(1_000)
      answered.push(followed.value?.model)
    }
    return (name: string) => answered.filter((model) => model === name).length / times
  }
  const records = () => told.filter(({ event }) => event === 'call.ended').map(({ payload }) => payload.record)
  return { ask, records, router, upstreams }
}

describe('a bandit on a route', () => {
  it('leaves a model whose answers fail, and comes back to it when they do no more', async () => {
    const { ask, upstreams } = play({ halfLifeMs: 60_000 }, { a: { answers: refused(500) }, b: { answers } })
    await ask(60)
    const failing = upstreams['a']!.requests.length
    await ask(100)
    expect(upstreams['a']!.requests.length - failing).toBeLessThan(20)
    upstreams['a']!.respond(answers)
    upstreams['b']!.respond(refused(500))
    await ask(150)
    const [before, after] = [upstreams['a']!.requests.length, (await ask(100))('a')]
    expect(after).toBe(1)
    expect(upstreams['a']!.requests.length - before).toBe(100)
  })

  it('weighs the cost that the ledger has', async () => {
    const models = {
      a: { answers, price: { input: 10, output: 30 } },
      b: { answers, price: { input: 0.1, output: 0.4 } },
    }
    const { ask } = play({ lambda: 50 }, models)
    await ask(100)
    expect((await ask(100))('b')).toBeGreaterThan(0.9)
  })

  it('writes the propensities of each decision into the record and the ledger, and learns from no model that stood in', async () => {
    const { ask, records, router } = play({}, { a: { answers: refused(500) }, b: { answers } })
    await ask(40)
    const calls = [...router.ledger!.calls()]
    expect(calls).toHaveLength(40)
    for (const [at, { decision }] of calls.entries()) {
      const { candidates, strategy } = decision as {
        strategy: string
        candidates: { name: string; propensity: number }[]
      }
      expect(strategy).toBe('bandit')
      expect(candidates.reduce((sum, { propensity }) => sum + propensity, 0)).toBeCloseTo(1, 9)
      expect(candidates).toEqual(records()[at].candidates)
    }
    const stoodIn = records().filter(({ attempts }) => attempts.length === 2).length
    const { candidates } = await router.explain({ body: { model: 'auto', messages: [] } })
    const chosen = candidates.find(({ name }) => name === 'b')!
    expect(stoodIn).toBeGreaterThan(0)
    expect(chosen.reason).toContain(`by ${40 - stoodIn} calls`)
  })

  it('counts a call once that had to wait and was answered then', async () => {
    const paused = limited({ 'retry-after-ms': '100' })
    const models = {
      a: { answers: (_request: unknown, index: number) => (index === 0 ? paused : answers) },
      b: { answers: limited({ 'retry-after': '3600' }) },
    }
    const { ask, records, router } = play({ prior: { a: 100 } }, models, { maxAttempts: 2 })
    await ask(1)
    expect(records()[0].attempts).toMatchObject([{ model: 'a' }, { model: 'b' }, { model: 'a', outcome: 'ok' }])
    const { candidates } = await router.explain({ body: { model: 'auto', messages: [] } })
    expect(candidates[0]!.reason).toContain('expected reward 50.500 by 1 calls')
  })

  it('takes no turn from the strategy for the rest of the calls where it draws itself', async () => {
    const models = {
      a: { answers, price: { input: 10, output: 30 } },
      b: { answers, price: { input: 0.1, output: 0.4 } },
    }
    const { ask, records } = play({ lambda: 500, share: 0.5, strategy: 'round-robin' }, models)
    await ask(200)
    const turns = records().flatMap(({ candidates: [first] }) => (first.propensity === undefined ? [first.name] : []))
    expect(turns.length).toBeGreaterThan(70)
    expect(turns).toEqual(turns.map((_name, at) => (at % 2 === 0 ? 'a' : 'b')))
  })
})

describe('the configuration of a bandit', () => {
  it.each([
    [{ arms: ['a'] }, 'strategy.arms'],
    [{ arms: ['a', 'b', 'c', 'd', 'e'] }, 'strategy.arms'],
    [{ arms: ['a', 'a'] }, 'expected each model once'],
    [{ arms: ['a', 'z'] }, '"z" is not on the route'],
    [{ arms: ['a', 'b'], share: 0 }, 'strategy.share'],
    [{ arms: ['a', 'b'], prior: { c: 1 } }, 'expected rewards of its arms only'],
    [{ arms: ['a', 'b'], strategy: 'none' }, 'no strategy is named "none"'],
  ])('of %j is refused: %s', (options, fault) => {
    const models = Object.fromEntries(
      ['a', 'b', 'c', 'd', 'e'].map((name) => [name, modelAt({ baseUrl: 'http://x.test/v1' })]),
    )
    const strategy = { use: 'bandit', ...options }
    expect(() => routerFor({ models, routes: { auto: { strategy } } })).toThrow(fault)
  })
})
