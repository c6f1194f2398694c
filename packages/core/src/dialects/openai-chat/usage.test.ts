import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { costNanoUsd, priceOf } from '../../money/price.ts'
import { usdOf } from '../../money/usd.ts'
import type { Usage } from '../../types.ts'
import { normaliseUsage } from './usage.ts'

interface Recorded {
  readonly source: string
  readonly raw: Readonly<Record<string, unknown>>
  /** Input, cached input, cache write, output, reasoning. */
  readonly classes: readonly [number, number, number, number, number]
  readonly faults?: Usage['faults']
}

/** Usage objects as providers gave them, each with the place where somebody published it; the last one has only their form. */
const recorded: readonly Recorded[] = [
  {
    source: 'OpenAI, gpt-4o: https://github.com/Arize-ai/openinference/pull/1453',
    raw: {
      prompt_tokens: 1117,
      completion_tokens: 46,
      total_tokens: 1163,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: {
        reasoning_tokens: 0,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    },
    classes: [1117, 0, 0, 46, 0],
  },
  {
    source: "OpenAI's guide to prompt caching: https://github.com/64bit/async-openai/issues/272",
    raw: {
      prompt_tokens: 2006,
      completion_tokens: 300,
      total_tokens: 2306,
      prompt_tokens_details: { cached_tokens: 1920 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
    classes: [86, 1920, 0, 300, 0],
  },
  {
    source: 'DeepSeek: https://github.com/BerriAI/litellm/issues/5017',
    raw: {
      completion_tokens: 40,
      prompt_tokens: 11,
      total_tokens: 51,
      prompt_cache_hit_tokens: 0,
      prompt_cache_miss_tokens: 11,
    },
    classes: [11, 0, 0, 40, 0],
  },
  {
    source: 'DeepSeek with a cache hit: https://github.com/mozilla-ai/any-llm/issues/795',
    raw: {
      prompt_tokens: 100,
      prompt_cache_hit_tokens: 80,
      prompt_cache_miss_tokens: 20,
      completion_tokens: 50,
      total_tokens: 150,
    },
    classes: [20, 80, 0, 50, 0],
  },
  {
    source: 'xAI, Grok: https://github.com/Wei-Shaw/sub2api/issues/5771',
    raw: {
      prompt_tokens: 10120,
      completion_tokens: 1499,
      total_tokens: 14428,
      prompt_tokens_details: { cached_tokens: 128 },
      completion_tokens_details: { reasoning_tokens: 2809 },
    },
    classes: [9992, 128, 0, 1499, 2809],
  },
  {
    source: 'xAI, grok-3-mini (prompt from the total): https://github.com/vercel/ai/pull/12425',
    raw: {
      prompt_tokens: 12,
      completion_tokens: 1,
      total_tokens: 399,
      completion_tokens_details: { reasoning_tokens: 386 },
    },
    classes: [12, 0, 0, 1, 386],
  },
  {
    source: 'Gemini by its OpenAI endpoint: https://github.com/Clarifai/clarifai-python/pull/978',
    raw: { prompt_tokens: 20, completion_tokens: 424, total_tokens: 1016 },
    classes: [20, 0, 0, 424, 572],
    faults: ['total_mismatch'],
  },
  {
    source: 'Gemini, thoughts alone: https://github.com/router-for-me/CLIProxyAPI/issues/5733',
    raw: {
      completion_tokens: 0,
      total_tokens: 81,
      prompt_tokens: 21,
      completion_tokens_details: { reasoning_tokens: 60 },
    },
    classes: [21, 0, 0, 0, 60],
  },
  {
    source: 'Mistral: https://github.com/mistralai/client-ts/issues/240',
    raw: {
      prompt_tokens: 1013,
      total_tokens: 1043,
      completion_tokens: 30,
      prompt_tokens_details: { cached_tokens: 1008 },
    },
    classes: [5, 1008, 0, 30, 0],
  },
  {
    source: 'Moonshot, Kimi: https://github.com/AstrBotDevs/AstrBot/issues/6614',
    raw: {
      prompt_tokens: 1336,
      completion_tokens: 31,
      total_tokens: 1367,
      cached_tokens: 1280,
      prompt_tokens_details: { cached_tokens: 1280 },
    },
    classes: [56, 1280, 0, 31, 0],
  },
  {
    source: 'OpenRouter: https://github.com/prism-php/prism/pull/992',
    raw: {
      prompt_tokens: 10339,
      completion_tokens: 60,
      total_tokens: 10399,
      prompt_tokens_details: { cached_tokens: 10318, cache_write_tokens: 0 },
    },
    classes: [21, 10318, 0, 60, 0],
  },
  {
    source: 'OpenRouter, a written cache (25612 = 25600 + 12): https://github.com/aaif-goose/goose/pull/11472',
    raw: { prompt_tokens: 25612, completion_tokens: 9, prompt_tokens_details: { cache_write_tokens: 25600 } },
    classes: [12, 0, 25600, 9, 0],
  },
  {
    source: 'Claude behind LiteLLM: https://github.com/BerriAI/litellm/issues/11364',
    raw: {
      total_tokens: 103925,
      prompt_tokens: 98805,
      completion_tokens: 5120,
      prompt_tokens_details: {
        text_tokens: null,
        audio_tokens: null,
        image_tokens: null,
        cached_tokens: 66360,
        cache_creation_tokens: 32435,
      },
      cache_read_input_tokens: 66360,
      completion_tokens_details: { text_tokens: null, audio_tokens: null, reasoning_tokens: 1710 },
      cache_creation_input_tokens: 32435,
    },
    classes: [10, 66360, 32435, 3410, 1710],
  },
  {
    source: 'Groq: the fields of its documentation, with numbers of our own',
    raw: {
      queue_time: 0.05,
      prompt_tokens: 900,
      prompt_time: 0.01,
      completion_tokens: 50,
      completion_time: 0.1,
      total_tokens: 950,
      total_time: 0.11,
      prompt_tokens_details: { cached_tokens: 768 },
      completion_tokens_details: { reasoning_tokens: 41 },
    },
    classes: [132, 768, 0, 9, 41],
  },
]

const [input, cachedInput, cacheWrite, output, reasoning] = [0, 1, 2, 3, 4]
const usageOf = (classes: readonly number[]): Usage => ({
  inputTokens: classes[input]!,
  cachedInputTokens: classes[cachedInput]!,
  cacheWriteTokens: classes[cacheWrite]!,
  outputTokens: classes[output]!,
  reasoningTokens: classes[reasoning]!,
})

const sum = ({ inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens }: Usage) =>
  inputTokens + cachedInputTokens + cacheWriteTokens + outputTokens + reasoningTokens

describe('the usage of a chat completion', () => {
  it.each(recorded)('is read into disjoint classes: $source', ({ raw, classes, faults }) => {
    const read = normaliseUsage(raw)!
    expect(read).toEqual({ ...usageOf(classes), ...(faults && { faults }) })
    expect(sum(read)).toBe(raw['total_tokens'] ?? sum(read))
  })

  it('costs what LiteLLM #14849 says that it should: cached tokens are charged once', () => {
    const usage = normaliseUsage({
      total_tokens: 264704,
      prompt_tokens: 262960,
      completion_tokens: 1744,
      prompt_tokens_details: { text_tokens: 262960, cached_tokens: 257955 },
      completion_tokens_details: { reasoning_tokens: 0 },
    })!
    const { base } = priceOf({ input: 1.25, cachedInput: 0.625, output: 10 })
    expect(usdOf(costNanoUsd(usage, base))).toBe('0.184918125')
  })

  it("costs what xAI billed for it, to the last of its ticks: reasoning beside the completion isn't lost", () => {
    const { raw } = recorded.find(({ source }) => source.startsWith('xAI, Grok'))!
    const { base } = priceOf({ input: 1.25, cachedInput: 0.2, output: 2.5 })
    expect(usdOf(costNanoUsd(normaliseUsage(raw)!, base))).toBe('0.0232856')
  })

  it.each([
    [{ prompt_tokens: 10, completion_tokens: 5, total_tokens: 14 }, [10, 0, 0, 5, 0], ['total_mismatch']],
    [{ prompt_tokens: 10, completion_tokens: 5, total_tokens: 20 }, [10, 0, 0, 5, 5], ['total_mismatch']],
    [
      { prompt_tokens: 3, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 7 } },
      [3, 7, 0, 5, 0],
      ['cached_above_input'],
    ],
    [
      { prompt_tokens: 3, completion_tokens: 5, completion_tokens_details: { reasoning_tokens: 9 } },
      [3, 0, 0, 5, 9],
      ['reasoning_above_output'],
    ],
    [
      { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: -4 } },
      [10, 0, 0, 5, 0],
      ['not_a_count'],
    ],
    [{ prompt_tokens: 10.2, completion_tokens: 5 }, [11, 0, 0, 5, 0], ['not_a_count']],
    [{ prompt_tokens: 0, completion_tokens: 5, total_tokens: 5 }, [0, 0, 0, 5, 0], ['no_input']],
    [
      {
        prompt_tokens: 521,
        completion_tokens: 20,
        total_tokens: 541,
        prompt_tokens_details: { text_tokens: 292, audio_tokens: 229 },
      },
      [521, 0, 0, 20, 0],
      ['audio'],
    ],
    [{ prompt_tokens: 10, completion_tokens: 5, num_sources_used: 4 }, [10, 0, 0, 5, 0], ['tool_fees']],
    [{ prompt_tokens: 10, completion_tokens: 5, service_tier: 'flex' }, [10, 0, 0, 5, 0], ['other_tier']],
  ] as const)('flags what does not add up: %j', (raw, classes, faults) => {
    expect(normaliseUsage(raw)).toEqual({ ...usageOf(classes), faults })
  })

  it.each([
    null,
    [],
    {},
    { prompt_tokens: null, completion_tokens: 'many' },
    { completion_tokens: 5 },
    { prompt_tokens: 5 },
    { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    { prompt_tokens: -3, completion_tokens: 5 },
    { prompt_tokens: 1e300, completion_tokens: 5 },
    { prompt_tokens: Number.NaN, completion_tokens: 5 },
  ])('is not known where nothing can be believed, so that it is counted instead: %j', (raw) => {
    expect(normaliseUsage(raw)).toBeUndefined()
  })

  it('is what was used, whichever way the provider counts, where it gives a total', () => {
    const count = fc.integer({ min: 0, max: 1_000_000 })
    fc.assert(
      fc.property(fc.tuple(count, count, count, count, count), fc.boolean(), fc.boolean(), (given, inside, apart) => {
        const used = usageOf(given)
        const stored = used.cachedInputTokens + used.cacheWriteTokens
        fc.pre(used.inputTokens > 0 && stored !== used.reasoningTokens)
        const read = normaliseUsage({
          prompt_tokens: used.inputTokens + (inside ? stored : 0),
          completion_tokens: used.outputTokens + (apart ? 0 : used.reasoningTokens),
          total_tokens: sum(used),
          prompt_tokens_details: { cached_tokens: used.cachedInputTokens, cache_write_tokens: used.cacheWriteTokens },
          completion_tokens_details: { reasoning_tokens: used.reasoningTokens },
        })
        expect(read).toEqual(used)
      }),
    )
  })

  it('never has a class below 0, and sums to no less than the provider said, whatever comes', () => {
    const odd = fc.oneof(fc.integer({ min: -10, max: 100 }), fc.double(), fc.constant(null), fc.string())
    const raw = fc.record(
      {
        prompt_tokens: odd,
        completion_tokens: odd,
        total_tokens: odd,
        prompt_cache_hit_tokens: odd,
        prompt_tokens_details: fc.record({ cached_tokens: odd, cache_write_tokens: odd }, { requiredKeys: [] }),
        completion_tokens_details: fc.record({ reasoning_tokens: odd }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(raw, (said) => {
        const read = normaliseUsage(said)
        if (!read) return
        const { faults: _, ...classes } = read
        for (const tokens of Object.values(classes)) expect(Number.isInteger(tokens) && tokens! >= 0).toBe(true)
        const total = Number(said.total_tokens)
        const believed = typeof said.total_tokens === 'number' && total >= 0 && total <= 2 ** 31
        expect(sum(read)).toBeGreaterThanOrEqual(believed ? total : 0)
        expect(sum(read)).toBeGreaterThanOrEqual(Number(said.prompt_tokens))
      }),
      { numRuns: 1_000 },
    )
  })
})
