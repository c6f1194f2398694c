import { describe, expect, it } from 'vitest'
import { dialects } from '../dialects/index.ts'
import type { DialectName } from '../types.ts'
import { inputBoundOf, tokensOf } from './request.ts'

const words = 'one two three four five six seven eight nine ten '.repeat(100)
const inputOf = (dialect: DialectName, body: object) =>
  tokensOf(dialects[dialect].parse({ model: 'auto', ...body })).inputTokens
const image = { type: 'base64', media_type: 'image/png', data: 'AAAA' }

describe('the input of a request in tokens', () => {
  const call = (name: string, given: string) => ({ id: 'c', type: 'function', function: { name, arguments: given } })
  const messages = (role: string, ...content: object[]) => ({ messages: [{ role, content }] })

  it.each<[string, DialectName, object]>([
    ['what is said', 'openai-chat', { messages: [{ role: 'user', content: words }] }],
    ['a call of a tool', 'openai-chat', { messages: [{ role: 'assistant', tool_calls: [call('f', words)] }] }],
    ['the name of one', 'openai-chat', { messages: [{ role: 'assistant', tool_calls: [call(words, '{}')] }] }],
    ['an older call', 'openai-chat', { messages: [{ role: 'assistant', function_call: { arguments: words } }] }],
    [
      'a call of another kind',
      'openai-chat',
      { messages: [{ role: 'assistant', tool_calls: [{ type: 'custom', custom: { name: 'f', input: words } }] }] },
    ],
    ['thoughts', 'openai-chat', { messages: [{ role: 'assistant', reasoning_content: words }] }],
    [
      'a call of a tool',
      'anthropic-messages',
      messages('assistant', { type: 'tool_use', name: 'f', input: { words } }),
    ],
    ['thoughts', 'anthropic-messages', messages('assistant', { type: 'thinking', thinking: words })],
    [
      'a document of text',
      'anthropic-messages',
      messages('user', { type: 'document', source: { type: 'text', media_type: 'text/plain', data: words } }),
    ],
    [
      'a document of content',
      'anthropic-messages',
      messages('user', { type: 'document', source: { type: 'content', content: [{ type: 'text', text: words }] } }),
    ],
    [
      'a result of a search',
      'anthropic-messages',
      messages('user', { type: 'search_result', source: 'x', content: [{ type: 'text', text: words }] }),
    ],
    [
      'the result of a tool elsewhere',
      'anthropic-messages',
      messages('assistant', { type: 'mcp_tool_result', tool_use_id: 'x', content: [{ type: 'text', text: words }] }),
    ],
    ['functions, as tools were', 'openai-chat', { messages: [], functions: [{ name: 'f', description: words }] }],
    ['a call of a tool', 'openai-responses', { input: [{ type: 'function_call', name: 'f', arguments: words }] }],
    ['a call of another kind', 'openai-responses', { input: [{ type: 'custom_tool_call', name: 'f', input: words }] }],
    ['its result', 'openai-responses', { input: [{ type: 'custom_tool_call_output', output: words }] }],
    ['thoughts', 'openai-responses', { input: [{ type: 'reasoning', summary: [{ text: words }] }] }],
  ])('counts %s in %s', (_what, dialect, body) => {
    expect(inputOf(dialect, body)).toBeGreaterThan(900)
    expect(inputOf(dialect, body)).toBeLessThan(1_300)
  })

  it.each<[string, DialectName, object]>([
    ['a picture', 'openai-chat', messages('user', { type: 'image_url', image_url: { url: 'https://a.b/c.png' } })],
    ['a picture', 'anthropic-messages', messages('user', { type: 'image', source: image })],
    [
      'a picture',
      'openai-responses',
      { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://a.b/c.png' }] }] },
    ],
    ['a document', 'openai-chat', messages('user', { type: 'file', file: { file_data: 'AAAA' } })],
  ])('counts %s in %s as one of the usual size', (_what, dialect, body) => {
    expect(inputOf(dialect, body)).toBeGreaterThan(1_000)
  })

  it('counts sound as some, and not as none', () => {
    const sound = { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } }
    expect(inputOf('openai-chat', messages('user', sound))).toBeGreaterThan(500)
  })

  it('takes a film for no text, and for as much as the window holds where the most is asked for', () => {
    const film = (url: string) => messages('user', { type: 'video_url', video_url: { url } })
    const link = dialects['openai-chat'].parse({ model: 'a', ...film('https://films.invalid/a.mp4') })
    const inside = dialects['openai-chat'].parse({
      model: 'a',
      ...film(`data:video/mp4;base64,${'A'.repeat(100_000)}`),
    })
    for (const request of [link, inside]) {
      expect(tokensOf(request).inputTokens).toBeGreaterThan(8_000)
      expect(tokensOf(request).inputTokens).toBeLessThan(10_000)
      expect(inputBoundOf(request, 1_000_000)).toBe(1_000_000)
    }
  })
})
