import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SettingsLevel, breakerOptions, resolveSettings } from './defaults.ts'

const defaults = resolveSettings(false)
const { retry: defaultRetry, timeouts: defaultTimeouts } = defaults
const { timeouts: reasoningTimeouts } = resolveSettings(true)

describe('settings', () => {
  it('are the defaults where no level says anything', () => {
    expect(resolveSettings(false)).toEqual({
      retry: { maxAttempts: 3, maxAttemptsPerCall: 6, budgetRatio: 0.099, budgetPerSecond: 1 },
      timeouts: { connectMs: 5_000, firstTokenMs: 30_000, answerMs: 120_000, stallMs: 30_000, callMs: 180_000 },
      breaker: {
        consecutiveFailures: 5,
        failureRate: 0.5,
        minimumCalls: 20,
        windowMs: 60_000,
        openMs: 30_000,
        maxOpenMs: 300_000,
        halfOpenProbes: 1,
      },
      health: {},
    })
    expect(resolveSettings(false, {}, { retry: {}, timeouts: undefined }, {})).toEqual(resolveSettings(false))
  })

  it('let a reasoning model take ten times as long before it looks ill, threshold by threshold', () => {
    expect(resolveSettings(false).health).toEqual({})
    expect(
      resolveSettings(true, { health: { unhealthy: { errorRate: 0.5 }, degraded: { p99Ms: 20_000 } } }),
    ).toMatchObject({ health: { unhealthy: { p99Ms: 30_000, errorRate: 0.5 }, degraded: { p99Ms: 20_000 } } })
    expect(resolveSettings(true, { health: false }).health).toBe(false)
  })

  it('give a reasoning model 300 s to its first token and answer, and 600 s in all', () => {
    expect(resolveSettings(true).timeouts).toEqual({
      connectMs: 5_000,
      firstTokenMs: 300_000,
      answerMs: 300_000,
      stallMs: 30_000,
      callMs: 600_000,
    })
  })

  it('are taken from model over route over top, key by key', () => {
    const top = { retry: { maxAttempts: 5, maxAttemptsPerCall: 9 }, timeouts: { answerMs: 1, stallMs: 1, callMs: 1 } }
    const route = { retry: { maxAttempts: 4 }, timeouts: { answerMs: 2, stallMs: 2 } }
    const model = { timeouts: { answerMs: 3 } }
    expect(resolveSettings(false, top, route, model)).toEqual({
      ...defaults,
      retry: { ...defaultRetry, maxAttempts: 4, maxAttemptsPerCall: 9 },
      timeouts: { ...defaultTimeouts, answerMs: 3, stallMs: 2, callMs: 1 },
    })
  })

  it('say one attempt and no time limit where they are switched off', () => {
    const { retry, timeouts } = resolveSettings(false, { retry: false, timeouts: false })
    expect(retry.maxAttempts).toBe(1)
    expect(new Set(Object.values(timeouts))).toEqual(new Set([Infinity]))
  })

  it('can be switched off on one level and on again below it, from the defaults', () => {
    const top = { retry: { maxAttempts: 7 }, timeouts: false as const }
    expect(
      resolveSettings(false, top, { retry: false }, { retry: { maxAttempts: 2 }, timeouts: { stallMs: 9 } }),
    ).toEqual({
      ...defaults,
      retry: { ...defaultRetry, maxAttempts: 2 },
      timeouts: { ...defaultTimeouts, stallMs: 9 },
    })
  })

  it('have no breaker and no health where those are switched off', () => {
    expect(resolveSettings(false, { breaker: false, health: false })).toMatchObject({ breaker: false, health: false })
    const { breaker } = resolveSettings(false, { breaker: false }, { breaker: { openMs: 5 } })
    expect(breaker).toEqual({ ...defaults.breaker, openMs: 5 })
  })

  it('of a breaker let it open for as long as they say, whatever the longest is elsewhere', () => {
    expect(resolveSettings(false, { breaker: { openMs: 600_000 } }).breaker).toMatchObject({ maxOpenMs: 600_000 })
    const { breaker } = resolveSettings(false, { breaker: { maxOpenMs: 50_000 } }, { breaker: { openMs: 60_000 } })
    expect(breaker).toMatchObject({ openMs: 60_000, maxOpenMs: 60_000 })
  })

  it('of a breaker become what the mechanism takes', () => {
    const { failureRate, minimumCalls, windowMs, ...rest } = defaults.breaker as Exclude<typeof defaults.breaker, false>
    expect(breakerOptions({ failureRate, minimumCalls, windowMs, ...rest })).toEqual({
      ...rest,
      failureRate: { threshold: failureRate, minimumCalls, windowMs },
    })
  })

  it('can be switched off below a level that sets them', () => {
    expect(resolveSettings(false, { retry: { maxAttempts: 7 } }, { retry: false }).retry.maxAttempts).toBe(1)
  })

  it('take a key that is undefined for one that is not there', () => {
    const level = {
      retry: { maxAttempts: undefined },
      timeouts: { callMs: undefined, stallMs: 5 },
    } as unknown as SettingsLevel
    expect(resolveSettings(false, { timeouts: { callMs: 7 } }, level)).toEqual({
      ...defaults,
      timeouts: { ...defaultTimeouts, callMs: 7, stallMs: 5 },
    })
  })

  it('leave the defaults as they are', () => {
    const before = JSON.stringify([resolveSettings(false), resolveSettings(true)])
    resolveSettings(true, { retry: { maxAttempts: 1 }, timeouts: { callMs: 1 } }, { retry: false, timeouts: false })
    expect(JSON.stringify([resolveSettings(false), resolveSettings(true)])).toBe(before)
  })

  it('are for each key what the last level says that says anything since the last false', () => {
    const level = fc.oneof(
      fc.constant(undefined),
      fc.constant(false as const),
      fc.record({ firstTokenMs: fc.nat(), callMs: fc.nat() }, { requiredKeys: [] }),
    )
    fc.assert(
      fc.property(fc.array(level, { maxLength: 5 }), fc.boolean(), (levels, reasoning) => {
        const since = levels.slice(levels.lastIndexOf(false) + 1)
        const isOff = levels.includes(false) && since.every((one) => one === undefined)
        const { timeouts } = resolveSettings(reasoning, ...levels.map((one) => ({ timeouts: one })))
        for (const key of ['firstTokenMs', 'callMs'] as const) {
          const said = since.findLast((one) => one && one[key] !== undefined)
          const fallback = reasoning ? reasoningTimeouts[key] : defaultTimeouts[key]
          expect(timeouts[key]).toBe(isOff ? Infinity : said ? said[key] : fallback)
        }
      }),
    )
  })
})
