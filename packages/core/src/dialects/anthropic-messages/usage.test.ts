import { describe, expect, it } from 'vitest'
import { costNanoUsd, priceOf } from '../../money/price.ts'
import { usdOf } from '../../money/usd.ts'
import { normaliseUsage } from './usage.ts'

const classes = (inputTokens: number, cachedInputTokens: number, cacheWriteTokens: number, outputTokens: number) => ({
  inputTokens,
  cachedInputTokens,
  cacheWriteTokens,
  outputTokens,
  reasoningTokens: 0,
})

describe('the usage of a message', () => {
  it('costs what the billing console said in LiteLLM #9812: written tokens are charged once', () => {
    const usage = normaliseUsage({
      input_tokens: 3,
      cache_creation_input_tokens: 12304,
      cache_read_input_tokens: 0,
      output_tokens: 550,
    })!
    expect(usage).toEqual(classes(3, 0, 12304, 550))
    const { base } = priceOf({ input: 3, cacheWrite: 3.75, cachedInput: 0.3, output: 15 })
    expect(usdOf(costNanoUsd(usage, base))).toBe('0.054399')
  })

  it('is read with writes by their life, as recorded: https://github.com/get-convex/agent/issues/191', () => {
    const raw = {
      cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 46209 },
      cache_creation_input_tokens: 46209,
      cache_read_input_tokens: 0,
      input_tokens: 337,
      output_tokens: 342,
      service_tier: 'standard',
    }
    expect(normaliseUsage(raw)).toEqual(classes(337, 0, 46209, 342))
    const long = { ...raw, cache_creation: { ephemeral_1h_input_tokens: 46209, ephemeral_5m_input_tokens: 0 } }
    expect(normaliseUsage(long)).toEqual({ ...classes(337, 0, 46209, 342), longCacheWriteTokens: 46209 })
    const both = { ...raw, cache_creation: { ephemeral_1h_input_tokens: 209, ephemeral_5m_input_tokens: 46000 } }
    expect(normaliseUsage(both)).toEqual({ ...classes(337, 0, 46209, 342), longCacheWriteTokens: 209 })
    const less = { ...raw, cache_creation: { ephemeral_1h_input_tokens: 209, ephemeral_5m_input_tokens: 45000 } }
    expect(normaliseUsage(less)).toEqual({
      ...classes(337, 0, 46209, 342),
      longCacheWriteTokens: 1209,
      faults: ['total_mismatch'],
    })
  })

  it('has the tokens of a compaction, which its counts leave out: https://github.com/pydantic/pydantic-ai/issues/5065', () => {
    const compaction = { type: 'compaction', input_tokens: 180_000, output_tokens: 3_500 }
    const message = { type: 'message', input_tokens: 23_000, output_tokens: 1_000 }
    const usage = { input_tokens: 23_000, output_tokens: 1_000, iterations: [compaction, message] }
    expect(normaliseUsage(usage)).toEqual({ ...classes(203_000, 0, 0, 4_500), faults: ['compaction'] })
    const hour = { ...compaction, cache_creation: { ephemeral_1h_input_tokens: 3, ephemeral_5m_input_tokens: 2 } }
    expect(normaliseUsage({ ...usage, iterations: [hour, hour] })).toMatchObject({
      cacheWriteTokens: 10,
      longCacheWriteTokens: 6,
    })
    const cached = { ...compaction, cache_read_input_tokens: 7, cache_creation_input_tokens: 5 }
    const paused = { input_tokens: 0, output_tokens: 0, iterations: [cached, compaction] }
    expect(normaliseUsage(paused)).toEqual({ ...classes(360_000, 7, 5, 7_000), faults: ['compaction'] })
    expect(normaliseUsage({ ...usage, iterations: [message, { type: 'fallback', input_tokens: 9 }] })).toEqual(
      classes(23_000, 0, 0, 1_000),
    )
    expect(normaliseUsage({ ...usage, iterations: [{ type: 'compaction', input_tokens: -1 }] })).toEqual({
      ...classes(23_000, 0, 0, 1_000),
      faults: ['compaction', 'not_a_count'],
    })
  })

  it('is not believed beside a compaction, where its own counts are none, or nothing was counted', () => {
    const compaction = { type: 'compaction', input_tokens: 1, output_tokens: 1 }
    expect(normaliseUsage({ input_tokens: 23_000, output_tokens: null, iterations: [compaction] })).toBeUndefined()
    const unreadable = { ...compaction, output_tokens: -1 }
    expect(normaliseUsage({ input_tokens: 0, output_tokens: 0, iterations: [unreadable] })).toBeUndefined()
  })

  it.each([
    [{ input_tokens: 24, output_tokens: 308 }, classes(24, 0, 0, 308)],
    [
      { input_tokens: 24, output_tokens: 308, service_tier: 'standard', server_tool_use: { web_search_requests: 0 } },
      classes(24, 0, 0, 308),
    ],
    [
      { input_tokens: 24, output_tokens: 308, server_tool_use: { web_search_requests: 3 } },
      { ...classes(24, 0, 0, 308), faults: ['tool_fees'] },
    ],
    [
      { input_tokens: 24, output_tokens: 308, service_tier: 'standard', speed: 'fast' },
      { ...classes(24, 0, 0, 308), faults: ['other_tier'] },
    ],
    [
      { input_tokens: 24, output_tokens: 1, cache_creation_input_tokens: null, cache_read_input_tokens: null },
      classes(24, 0, 0, 1),
    ],
    [
      { input_tokens: 1, output_tokens: 1, cache_read_input_tokens: -1 },
      { ...classes(1, 0, 0, 1), faults: ['not_a_count'] },
    ],
    [
      { input_tokens: 0, output_tokens: 9 },
      { ...classes(0, 0, 0, 9), faults: ['no_input'] },
    ],
    [
      {
        input_tokens: 1,
        output_tokens: 9,
        cache_creation_input_tokens: 5,
        cache_creation: { ephemeral_5m_input_tokens: 7 },
      },
      { ...classes(1, 0, 7, 9), faults: ['total_mismatch'] },
    ],
    [
      { input_tokens: 1, output_tokens: 9, cache_creation: { ephemeral_1h_input_tokens: 7 } },
      { ...classes(1, 0, 7, 9), longCacheWriteTokens: 7 },
    ],
    [{ input_tokens: 0, output_tokens: 0 }, undefined],
    [{ output_tokens: 5 }, undefined],
    [null, undefined],
  ])('%j is %j', (raw, usage) => {
    expect(normaliseUsage(raw)).toEqual(usage)
  })
})
