import { describe, expect, it } from 'vitest'
import { exportCsv, exportJsonl } from './export.ts'
import type { LedgerAttempt } from './types.ts'

const attempt: LedgerAttempt = {
  callKey: 'c1',
  place: 0,
  callId: 'id',
  time: Date.UTC(2026, 2, 4),
  identity: { key: 'shop', user: '=HYPERLINK("x")', tags: ['a', 'b,c'] },
  route: 'auto',
  model: 'a',
  provider: 'openai',
  outcome: 'ok',
  status: 200,
  latencyMs: 12.5,
  inputTokens: 10,
  cachedInputTokens: 4,
  cacheWriteTokens: 2,
  longCacheWriteTokens: 1,
  outputTokens: 5,
  reasoningTokens: 1,
  costNanoUsd: 2n ** 53n + 1n,
  estimated: false,
  overrun: true,
  usageFaults: ['audio'],
  prices: { input: 1, cachedInput: 2, cacheWrite: 3, output: 4, reasoning: 5 },
  priceSource: 'configuration',
}
const unknown: LedgerAttempt = {
  ...attempt,
  identity: {},
  costNanoUsd: undefined,
  longCacheWriteTokens: undefined,
  usageFaults: undefined,
  prices: undefined,
}

describe('an export', () => {
  it('as CSV has a line of names, exact amounts, and no formula', () => {
    const [names, first, second, ...rest] = exportCsv([attempt, unknown])
    expect(rest).toEqual([])
    expect(names).toMatch(/^time,callKey,place,.*,priceSource\r\n$/)
    expect(first).toBe(
      `2026-03-04T00:00:00.000Z,c1,0,id,shop,"'=HYPERLINK(""x"")",,"[""a"",""b,c""]",auto,a,openai,ok,200,12.5,,10,4,2,1,5,1,` +
        `9007199.254740993,false,true,"[""audio""]","{""input"":1,""cachedInput"":2,""cacheWrite"":3,""output"":4,""reasoning"":5}",configuration\r\n`,
    )
    expect(second).toContain(',c1,0,id,,,,,auto,')
    expect(second).toContain(',10,4,2,0,5,1,,false,true,,,configuration')
  })

  it('as JSON has a row to a line; what is unknown is null and never 0', () => {
    const lines = [...exportJsonl([attempt, unknown])].map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines[0]).toMatchObject({ user: '=HYPERLINK("x")', costUsd: '9007199.254740993', tags: ['a', 'b,c'] })
    expect(lines[1]).toMatchObject({ user: null, costUsd: null, unitPrices: null, firstTokenMs: null })
  })

  it('takes a row at a time', () => {
    let taken = 0
    const rows = (function* () {
      for (;;) {
        taken++
        yield attempt
      }
    })()
    for (const make of [exportCsv, exportJsonl]) {
      taken = 0
      const lines = make(rows)
      for (let line = 0; line < 5; line++) lines.next()
      expect(taken).toBeLessThanOrEqual(5)
    }
  })
})
