import { describe, expect, it } from 'vitest'
import type { DialectName } from '../types.ts'
import { dialects } from './index.ts'
import { translateRequest } from './translate.ts'

const chat = dialects['openai-chat']
const parsed = (json: string) => chat.parse(Buffer.from(json))
const messages = '"messages":[{"role":"user","content":"hello"}]'

describe('a field whose name is written with escapes', () => {
  it('is read, whatever was read in its place before', () => {
    const before = parsed(`{"a_place":1,"model":"auto",${messages},"\\\\":1}`)
    const request = parsed(`{"a_place":1,"model":"auto",${messages},"\\u006e":9}`)

    expect(before.body).toHaveProperty('\\')
    expect(request.parameters.choices).toBe(9)
  })

  it('is read, also where some of its letters are not escaped', () => {
    const before = parsed(`{"of_messages":1,"model":"auto","mess\\\\u00":[]}`)
    const request = parsed(`{"of_messages":1,"model":"auto","mess\\u0061ges":[{"role":"user","content":"hello"}]}`)

    expect(before.messages).toEqual([])
    expect(request.text).toBe('hello')
  })

  it('is translated', () => {
    const target = { provider: 'anthropic', model: 'm', maxOutputTokens: undefined, reasoning: false }
    const to = dialects['anthropic-messages']
    const before = parsed(`{"odd":12345678901234567890,"model":"auto",${messages},"\\\\":1}`)
    const request = parsed(`{"odd":12345678901234567890,"model":"auto",${messages},"\\u006e":9}`)

    expect(translateRequest(before, chat, to, target).lost).toEqual(['odd', '\\'])
    expect(translateRequest(request, chat, to, target).lost).toEqual(['odd', 'n'])
  })

  it.each([
    ['\\\\u0061', '\\u0061'],
    ['\\\\\\u0061', '\\a'],
    ['\\n\\"\\u0022\\u00e9\\u000A', '\n""é\n'],
    ['\\u0030\\u0039\\u0041\\u005A\\u005f\\u0061\\u007a', '09AZ_az'],
    ['\\u002f\\u003a\\u0040\\u005b\\u005e\\u0060\\u007b', '/:@[^`{'],
  ])('and so are texts: %s', (written, text) => {
    expect(parsed(`{"model":"${written}\\u0061"}`).model).toBe(`${text}a`)
  })
})

it('refuses a body of more values than can be looked through at once, however short they are', () => {
  const listOf = (items: number) => `{"model":"auto","messages":[${'1,'.repeat(items - 1)}1]}`
  const message = 'The request body has more than 500000 values'

  expect(parsed(listOf(499_998)).messages).toHaveLength(499_998)
  expect(() => parsed(listOf(499_999))).toThrow(message)
  expect(() => parsed(`{"model":"auto","messages":${'['.repeat(500_000)}`)).toThrow(message)
})

describe('what a provider reads', () => {
  const inChat = (message: object): [DialectName, object] => ['openai-chat', { messages: [message] }]
  const inMessages = (block: object): [DialectName, object] => [
    'anthropic-messages',
    { messages: [{ role: 'user', content: [block] }] },
  ]
  const inResponses = (item: object): [DialectName, object] => ['openai-responses', { input: [item] }]
  const requestOf = (dialect: DialectName, body: object) =>
    dialects[dialect].parse(Buffer.from(JSON.stringify({ model: 'auto', ...body })))
  const inside = { type: 'text', text: 'hidden' }

  it.each([
    inChat({ role: 'assistant', content: null, refusal: 'hidden' }),
    inChat({ role: 'assistant', content: [{ type: 'refusal', refusal: 'hidden' }] }),
    inMessages({ type: 'document', title: 'hidden', source: { type: 'text', data: 'a' } }),
    inMessages({ type: 'document', context: 'hidden', source: { type: 'text', data: 'a' } }),
    inMessages({ type: 'search_result', title: 'hidden', source: 'a', content: [] }),
    inMessages({ type: 'tool_result', text: 'a', content: 'hidden' }),
    inMessages({ type: 'tool_result', source: {}, content: 'hidden' }),
    inMessages({ type: 'code_execution_tool_result', content: { type: 'code_execution_result', stdout: 'hidden' } }),
    inMessages({
      type: 'web_fetch_tool_result',
      content: { content: { type: 'document', source: { type: 'text', data: 'hidden' } } },
    }),
    inResponses({ role: 'assistant', content: [{ type: 'refusal', refusal: 'hidden' }] }),
    inResponses({ type: 'local_shell_call_output', output: 'hidden' }),
    inResponses({ type: 'shell_call_output', output: [{ stdout: 'a', stderr: 'hidden' }] }),
    inResponses({ type: 'function_call_output', output: [inside] }),
    inResponses({ type: 'mcp_call', name: 'f', arguments: '{}', output: 'hidden' }),
  ])('is read and changed, wherever it stands: in %s %j', (dialect, body) => {
    const request = requestOf(dialect, body)
    const changed = request.mapText((text) => text.replace('hidden', 'found'))

    expect(request.text).toContain('hidden')
    expect(changed.text).toBe(request.text.replace('hidden', 'found'))
    expect(Buffer.from(changed.bytes).toString()).not.toContain('hidden')
  })

  const picture = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }
  it.each([
    inMessages({ type: 'document', source: { type: 'content', content: [picture] } }),
    inMessages({ type: 'mcp_tool_result', content: [picture] }),
    inResponses({
      type: 'computer_call_output',
      output: { type: 'computer_screenshot', image_url: 'https://example.com/a.png' },
    }),
  ])('is a picture, wherever it stands: in %s %j', (dialect, body) => {
    const request = requestOf(dialect, body)

    expect(request.modality).toContain('image')
    expect(request.media.parts).toEqual([{ kind: 'image' }])
  })

  it.each<[DialectName, object]>([
    ['openai-chat', { type: 'web_search' }],
    ['openai-responses', { type: 'web_search' }],
    ['anthropic-messages', { type: 'mcp_toolset', mcp_server_name: 'a' }],
  ])('has tools by their type where they have no name: in %s %j', (dialect, tool) => {
    expect(requestOf(dialect, { tools: [tool] }).tools).toEqual([{ name: (tool as { type: string }).type }])
  })
})
