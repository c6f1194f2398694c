import { describe, expect, it } from 'vitest'
import type { DialectName } from '../types.ts'
import { dialects } from './index.ts'
import { translateRequest } from './translate.ts'

const messages = [{ role: 'user', content: 'hello' }]

/** What a model is told of how to sample, and what is lost of it. */
function sampling(from: DialectName, to: DialectName, model: string, fields: object) {
  const request = dialects[from].parse({ model: 'auto', messages, max_tokens: 50, ...fields })
  const target = { provider: 'any', model, maxOutputTokens: undefined, reasoning: false }
  const { request: written, lost, skipped } = translateRequest(request, dialects[from], dialects[to], target)
  const { temperature, top_p, top_k, thinking } = written.body
  return { told: { temperature, top_p, top_k }, thinking, lost, skipped }
}

describe('how to sample', () => {
  const anthropics = ['opus-4-7', 'opus-4-8-20260601', 'sonnet-5', 'opus-5-5', 'fable-5'].map(
    (name) => `claude-${name}`,
  )
  it.each(anthropics)('is lost from OpenAI to Anthropic for %s, which refuses to be told', (model) => {
    const asked = { temperature: 0.2, top_p: 0.9, top_k: 5, reasoning_effort: 'low' }

    expect(sampling('openai-chat', 'anthropic-messages', model, asked)).toEqual({
      told: {},
      thinking: { type: 'adaptive' },
      lost: ['temperature', 'top_p', 'top_k'],
      skipped: [],
    })
  })

  it.each(
    (['openai-chat', 'openai-responses'] as const).flatMap((to) =>
      ['gpt-5', 'gpt-5-mini-2025-08-07', 'openai/o3', 'o4-mini'].map((model) => [to, model] as const),
    ),
  )('is lost from Anthropic to %s for %s, which refuses to be told', (to, model) => {
    expect(sampling('anthropic-messages', to, model, { temperature: 0.2, top_p: 0.9 })).toMatchObject({
      told: {},
      lost: ['temperature', 'top_p'],
    })
    expect(sampling('anthropic-messages', to, model, { temperature: 1, top_p: 1 })).toMatchObject({
      told: {},
      lost: [],
    })
  })

  it.each([
    ['openai-chat', 'anthropic-messages', 'claude-sonnet-4-6'],
    ['openai-chat', 'anthropic-messages', 'claude-sonnet-4-20250514'],
    ['openai-chat', 'anthropic-messages', 'claude-haiku-4-5'],
    ['openai-chat', 'anthropic-messages', 'a-name-of-its-own'],
    ['anthropic-messages', 'openai-chat', 'gpt-5.2'],
    ['anthropic-messages', 'openai-chat', 'gpt-5-chat-latest'],
    ['anthropic-messages', 'openai-responses', 'gpt-4.1'],
  ] as const)('is told from %s to %s for %s', (from, to, model) => {
    expect(sampling(from, to, model, { temperature: 0.2, top_p: 0.9 })).toMatchObject({
      told: { temperature: 0.2, top_p: 0.9 },
      lost: [],
    })
  })
})
