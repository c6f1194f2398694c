import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../store/memory.ts'
import {
  type BudgetHold,
  type BudgetReading,
  type BudgetRefusal,
  type BudgetSettings,
  type Spender,
  createBudgets,
} from './budget.ts'

const nano = 1_000_000_000

function setUp(...settings: readonly BudgetSettings[]) {
  const clock = createFakeClock({ wallTime: Date.parse('2026-10-31T23:59:00Z') })
  const store = createMemoryStore({ clock })
  const budgets = createBudgets(settings, store, clock)
  let count = 0
  return {
    clock,
    store,
    budgets,
    hold: (spender: Spender, usd: number) =>
      budgets.hold(`h${count++}`, budgets.accountsOf(spender), usd * nano, 1_000) as BudgetHold | BudgetRefusal,
    read: (spender: Spender) =>
      (budgets.read(budgets.accountsOf(spender)) as readonly BudgetReading[]).map((one) => [
        Number(one.settledNanoUsd) / nano,
        Number(one.heldNanoUsd) / nano,
      ]),
  }
}

const isHold = (answer: BudgetHold | BudgetRefusal): answer is BudgetHold => 'settle' in answer
const granted = (answer: BudgetHold | BudgetRefusal): BudgetHold => {
  if (isHold(answer)) return answer
  throw new Error(`refused by ${answer.settings.per}`)
}

describe('budgets', () => {
  it('hold on every account that applies, or on none', () => {
    const { hold, read } = setUp(
      { per: 'all', limitUsd: 10, window: 'month' },
      { per: 'user', limitUsd: 2, window: 'day' },
      { per: 'team', limitUsd: 3, window: 'day' },
    )
    const spender = { user: 'u', team: 't' }
    granted(hold(spender, 2))
    const refusal = hold({ user: 'v', team: 't' }, 2)
    expect(refusal).toMatchObject({
      settings: { per: 'team' },
      bucket: 't',
      remainingNanoUsd: 1_000_000_000n,
      limitNanoUsd: 3_000_000_000n,
    })
    expect(read({ user: 'v', team: 't' })).toEqual([
      [0, 2],
      [0, 0],
      [0, 2],
    ])
  })

  it('settle to what it really cost on every account at once, also above the hold', () => {
    const { hold, read } = setUp({ per: 'all', limitUsd: 5, window: 'day' }, { per: 'key', limitUsd: 5, window: 'day' })
    void granted(hold({ key: 'k' }, 2)).settle(1.5 * nano)
    void granted(hold({ key: 'k' }, 2)).release()
    expect(read({ key: 'k' })).toEqual([
      [1.5, 0],
      [1.5, 0],
    ])
    void granted(hold({ key: 'k' }, 3)).settle(6 * nano)
    expect(hold({ key: 'k' }, 0.1)).toMatchObject({ remainingNanoUsd: 0n })
  })

  it('give all who do not say who they are one bucket, which no name can reach', () => {
    const { hold } = setUp({ per: 'user', limitUsd: 1, window: 'day' })
    granted(hold({}, 1))
    expect(hold({}, 0.1)).toMatchObject({ bucket: 'anonymous' })
    granted(hold({ user: 'anonymous' }, 1))
    granted(hold({ user: '' }, 1))
    granted(hold({ user: '=anonymous' }, 1))
  })

  it('count under each tag, each once', () => {
    const { hold } = setUp({ per: 'tag', limitUsd: 1, window: 'day' })
    granted(hold({ tags: ['a', 'b', 'a'] }, 1))
    expect(hold({ tags: ['c', 'b'] }, 0.5)).toMatchObject({ bucket: 'b' })
    granted(hold({ tags: ['c'] }, 1))
    granted(hold({ tags: [] }, 1))
    expect(hold({}, 0.5)).toMatchObject({ bucket: 'anonymous' })
  })

  it('count and never refuse where they are soft', () => {
    const { hold, read } = setUp({ per: 'all', limitUsd: 1, window: 'day', soft: true })
    void granted(hold({}, 5)).settle(5 * nano)
    granted(hold({}, 5))
    expect(read({})).toEqual([[5, 5]])
  })

  it('begin anew with each period, and post to the period of the hold', async () => {
    const { hold, read, clock } = setUp({ per: 'all', limitUsd: 1, window: 'month' })
    const early = granted(hold({}, 1))
    await clock.advance(60_000)
    granted(hold({}, 0.9))
    void early.settle(0.5 * nano)
    expect(read({})).toEqual([[0, 0.9]])
    clock.jumpWallTime(-60_000)
    expect(read({})).toEqual([[0.5, 0]])
  })

  it('slide where their window does', async () => {
    const { hold, clock } = setUp({ per: 'all', limitUsd: 1, window: { rollingMs: 10_000 } })
    void granted(hold({}, 0.6)).settle(0.6 * nano)
    await clock.advance(5_000)
    void granted(hold({}, 0.4)).settle(0.4 * nano)
    expect(isHold(hold({}, 0.1))).toBe(false)
    await clock.advance(5_001)
    granted(hold({}, 0.6))
    expect(isHold(hold({}, 0.1))).toBe(false)
  })

  it('post a hold whose lease ended at its full amount', async () => {
    const { hold, read, clock } = setUp({ per: 'all', limitUsd: 1, window: { rollingMs: 100_000 } })
    granted(hold({}, 0.7))
    await clock.advance(1_000)
    expect(read({})).toEqual([[0.7, 0]])
  })

  it.each([
    { timeZone: 'Europe/London' },
    { window: 'hour' },
    { window: { rollingMs: 86_400_000 } },
    { per: 'all' },
  ] as const)('begin anew when a configuration makes another one of it: %o', (change) => {
    const settings: BudgetSettings = { per: 'user', limitUsd: 10, window: 'day' }
    const { hold, store, clock } = setUp(settings)
    void granted(hold({ user: 'u' }, 2)).settle(2 * nano)
    const held = (other: BudgetSettings) => {
      const budgets = createBudgets([other], store, clock)
      const [reading] = budgets.read(budgets.accountsOf({ user: 'u' })) as readonly BudgetReading[]
      return Number(reading!.settledNanoUsd) / nano
    }
    expect(held({ ...settings, limitUsd: 20, alertAt: 0.5 })).toBe(2)
    expect(held({ ...settings, ...change })).toBe(0)
  })

  it.each([
    { name: 'a soft one becomes hard', was: [{ soft: true }], is: [{}] },
    { name: 'a soft one joins a hard one', was: [{}], is: [{ soft: true, limitUsd: 5 }, {}] },
    { name: 'a hard one joins a soft one', was: [{ soft: true, limitUsd: 5 }], is: [{ soft: true, limitUsd: 5 }, {}] },
    { name: 'a tighter one joins', was: [{}], is: [{}, { limitUsd: 3 }] },
    { name: 'a wider one joins in front', was: [{}], is: [{ limitUsd: 20 }, {}] },
    { name: 'the tighter of two goes', was: [{}, { limitUsd: 3 }], is: [{}] },
    { name: 'the limit falls to what is spent', was: [{}], is: [{ limitUsd: 2 }] },
  ] as { name: string; was: Partial<BudgetSettings>[]; is: Partial<BudgetSettings>[] }[])(
    'leave no more than the tightest did when a configuration changes: $name',
    ({ was, is }) => {
      const whole = (one: Partial<BudgetSettings>): BudgetSettings => ({
        per: 'user',
        limitUsd: 10,
        window: 'day',
        ...one,
      })
      const { hold, store, clock } = setUp(...was.map(whole))
      void granted(hold({ user: 'u' }, 2)).settle(2 * nano)
      const budgets = createBudgets(is.map(whole), store, clock)
      const least = Math.min(...is.filter(({ soft }) => !soft).map(({ limitUsd = 10 }) => limitUsd))
      const left = (least - 2) * nano
      const holds = (nanoUsd: number) =>
        isHold(budgets.hold(`of ${nanoUsd}`, budgets.accountsOf({ user: 'u' }), nanoUsd, 1_000) as BudgetHold)
      expect(holds(left + 1)).toBe(false)
      expect(holds(left)).toBe(true)
    },
  )

  it('keep two budgets of one scope and window apart', () => {
    const { hold, read } = setUp(
      { per: 'all', limitUsd: 5, window: 'day' },
      { per: 'all', limitUsd: 1, window: 'day', timeZone: 'Asia/Tokyo' },
      { per: 'all', limitUsd: 1, window: 'day', soft: true },
    )
    granted(hold({}, 1))
    expect(read({})).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
    ])
    expect(hold({}, 1)).toMatchObject({ settings: { timeZone: 'Asia/Tokyo' } })
    const twice = { per: 'all', limitUsd: 5, window: 'day' } as const
    granted(setUp(twice, twice).hold({}, 5))
  })
})
