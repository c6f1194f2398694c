import { describe, expect, it } from 'vitest'
import { isSignalboxError } from '../errors.ts'
import { strategyNames } from '../strategies/index.ts'
import { validateConfig } from './validate.ts'

const model = { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:9001/v1' }

/** The faults of a route with a strategy, one a line. */
function faultsWith(strategy: unknown): string[] {
  try {
    validateConfig({ models: { a: model, b: model }, routes: { auto: { strategy } } }, strategyNames)
  } catch (error) {
    if (!isSignalboxError(error)) throw error
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
  }
  return []
}

describe('a strategy inside of another one', () => {
  const cascade = { use: 'cascade', cheap: ['a'], strong: ['b'], verify: 'tools' }
  const ruled = (strategy: unknown) => ({ use: 'rules', rules: [{ models: ['a', 'b'], strategy }], otherwise: ['a'] })

  it.each([
    { use: 'sticky', strategy: cascade },
    { use: 'sticky', strategy: { ...cascade, verify: () => true } },
    ruled({ use: 'bandit', arms: ['b', 'a'] }),
    ruled({ use: 'sticky', strategy: { use: 'complexity', simple: ['a'], complex: ['b'] } }),
  ])('may be %j', (strategy) => {
    expect(faultsWith(strategy)).toEqual([])
  })

  it.each([
    [ruled({ use: 'least-latency', windowMs: 'long' }), 'rules[0].strategy.windowMs: expected a number, got "long"'],
    [{ use: 'sticky', strategy: { ...cascade, veryfy: 1 } }, 'strategy.veryfy: unknown key, got 1'],
    [
      ruled({ use: 'bandit', arms: ['a', 'c'] }),
      'rules[0].strategy: expected it to name the models that it orders, a and b, got a and c',
    ],
    [
      { use: 'complexity', simple: ['a'], complex: ['a', 'b'], strategy: { use: 'bandit', arms: ['a', 'b'] } },
      'strategy: expected it to name the models that it orders, a, got a and b',
    ],
    [ruled(cascade), 'rules[0].strategy: expected a strategy that orders models, got a cascade, which also asks them'],
    [
      {
        use: 'tier',
        tiers: { pro: { models: ['a', 'b'], strategy: { use: 'sticky', strategy: cascade } } },
        otherwise: { models: ['a'] },
      },
      'tiers.pro.strategy: expected a strategy that orders models, got a cascade, which also asks them',
    ],
  ])('may not be %j', (strategy, fault) => {
    expect(faultsWith(strategy)).toEqual([`routes.auto.strategy.${fault}`])
  })

  it('leaves a cascade a strong model that is no cheap one', () => {
    expect(faultsWith({ ...cascade, strong: ['a'] })).toEqual([
      'routes.auto.strategy.strong: expected a model that is not among the cheap ones, got an array of 1',
    ])
    expect(faultsWith({ ...cascade, strong: ['a', 'b'] })).toEqual([])
  })
  it('leaves a cascade a second opinion that is no cheap model', () => {
    const agreeing = (partner: string) => ({ ...cascade, verify: ['tools', { use: 'agreement', with: partner }] })
    expect(faultsWith(agreeing('a'))).toEqual([
      'routes.auto.strategy.verify: expected the second opinion of a model that is not among the cheap ones, got an array of 2',
    ])
    expect(faultsWith(agreeing('b'))).toEqual([])
  })
})
