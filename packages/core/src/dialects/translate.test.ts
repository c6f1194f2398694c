import { describe, expect, it } from 'vitest'
import type { DialectName } from '../types.ts'
import { tokensOf } from '../tokens/request.ts'
import { dialects } from './index.ts'
import { translateRequest } from './translate.ts'
import type { Target } from './translation.ts'

const messages = [{ role: 'user', content: 'hello' }]
const inputSchema = { type: 'object' }
const search = { type: 'web_search_20250305', name: 'web_search' }

/** What a request becomes, and what of it is told. */
function translated(from: DialectName, to: DialectName, fields: object, target: Partial<Target> = {}) {
  const there = { provider: 'openai', model: 'gpt-5', maxOutputTokens: undefined, reasoning: false, ...target }
  const request = dialects[from].parse({ model: 'auto', ...fields })
  const { request: written, lost, skipped } = translateRequest(request, dialects[from], dialects[to], there)
  return { body: written.body, told: [...lost, ...skipped] }
}

const fromMessages = (to: DialectName, fields: object, target?: Partial<Target>) =>
  translated('anthropic-messages', to, { max_tokens: 9_000, messages, ...fields }, target)
const toMessages = (fields: object, model = 'claude-opus-4-6', target: Partial<Target> = {}) =>
  translated('openai-chat', 'anthropic-messages', { messages, ...fields }, { ...target, provider: 'anthropic', model })

describe.each(['openai-chat', 'openai-responses'] as const)('a request from Anthropic to %s', (to) => {
  const user = to === 'openai-chat' ? 'user' : 'safety_identifier'
  const reasoning = to === 'openai-chat' ? 'reasoning_effort' : 'reasoning'

  it('says nothing of the choice of a tool where no tool is left to be chosen', () => {
    const { body, told } = fromMessages(to, { tools: [search], tool_choice: { type: 'any' } })

    expect(body).not.toHaveProperty('tool_choice')
    expect(told).toEqual(['tools[].web_search_20250305'])
    expect(fromMessages(to, { tools: [{ name: 'f' }], tool_choice: { type: 'any' } }).body['tool_choice']).toBe(
      'required',
    )
  })

  it('has no message in which nothing is said: of one that was only thought, nothing is left', () => {
    const thought = { role: 'assistant', content: [{ type: 'thinking', thinking: 'Well.', signature: 'c2ln' }] }
    const { body } = fromMessages(to, { messages: [...messages, thought, ...messages] })

    expect((body['messages'] ?? body['input']) as object[]).toHaveLength(2)
  })

  it('loses the beginning of an answer, which Anthropic alone goes on with', () => {
    const begun = { role: 'assistant', content: '{' }

    expect(fromMessages(to, { messages: [...messages, begun] }).told).toEqual(['messages[].prefill'])
    expect(fromMessages(to, { messages: [...messages, begun, ...messages] }).told).toEqual([])
  })

  it('tells who asks where the id is short enough for OpenAI', () => {
    const asked = (length: number) => fromMessages(to, { metadata: { user_id: 'u'.repeat(length) } })

    expect(asked(64)).toMatchObject({ body: { [user]: 'u'.repeat(64) }, told: [] })
    expect(asked(65).body).not.toHaveProperty(user)
    expect(asked(65).told).toEqual(['metadata'])
  })

  it.each([
    ['gpt-4.1', false, false],
    ['gpt-4o-mini', false, false],
    ['openai/gpt-3.5-turbo', false, false],
    ['gpt-4.1', true, true],
    ['gpt-5', false, true],
    ['gpt-oss-120b', false, true],
    ['o4-mini', false, true],
    ['deepseek-chat', false, true],
  ])('asks %s, which the configuration says reasons: %s, to think: %s', (model, isSaidTo, asks) => {
    const { body, told } = fromMessages(
      to,
      { thinking: { type: 'enabled', budget_tokens: 2_000 } },
      { model, reasoning: isSaidTo },
    )

    expect(reasoning in body).toBe(asks)
    expect(told).toEqual(asks ? [] : ['reasoning'])
  })
})

describe('a request from Anthropic to OpenAI’s chat', () => {
  it.each([
    ['gpt-5.1', { budget_tokens: 1_024 }, 'low'],
    ['gpt-5', { budget_tokens: 60_000 }, 'high'],
    ['o4-mini', { budget_tokens: 10_000 }, 'medium'],
    ['gpt-5', 'xhigh', 'high'],
    ['gpt-5-mini-2025-08-07', 'max', 'high'],
    ['openai/gpt-5.1-codex', 'max', 'high'],
    ['gpt-5.1-codex-max', 'max', 'xhigh'],
    ['gpt-5.4', 'max', 'xhigh'],
    ['a-name-of-its-own', 'xhigh', 'xhigh'],
  ])('asks %s for an effort that it has in place of %j', (model, asked, expected) => {
    const fields =
      typeof asked === 'string'
        ? { thinking: { type: 'adaptive' }, output_config: { effort: asked } }
        : { thinking: { type: 'enabled', ...asked } }

    expect(fromMessages('openai-chat', fields, { model }).body['reasoning_effort']).toBe(expected)
  })

  const five = { stop_sequences: ['a', 'b', 'c', 'd', 'e'] }

  it('loses words at which to stop where they are more than OpenAI takes', () => {
    expect(fromMessages('openai-chat', five).told).toEqual(['stop_sequences'])
    expect(fromMessages('openai-chat', five, { provider: 'openai-compatible' }).body['stop']).toHaveLength(5)
  })
})

describe('a request from OpenAI’s chat to Anthropic', () => {
  it('has no block of text that is blank, and no blank word at which to stop', () => {
    const blank = {
      role: 'user',
      content: [
        { type: 'text', text: ' \n' },
        { type: 'text', text: 'hello' },
      ],
    }
    const { body, told } = toMessages({ messages: [blank], stop: ['end', '\n'] })

    expect(body['messages']).toEqual([{ role: 'user', content: [{ type: 'text', text: 'hello' }] }])
    expect(body).not.toHaveProperty('stop_sequences')
    expect(told).toEqual(['stop'])
  })

  it('has ids of tool calls that Anthropic takes, the same one wherever it stands, and another one for another', () => {
    const ids = ['functions.f:0', 'functions_f_0', 'toolu_1-a']
    const calls = ids.map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } }))
    const results = ids.map((id) => ({ role: 'tool', tool_call_id: id, content: 'done' }))
    const { body } = toMessages({ messages: [...messages, { role: 'assistant', tool_calls: calls }, ...results] })

    const [, called, answered] = body['messages'] as { content: { id?: string; tool_use_id?: string }[] }[]
    const written = called!.content.map(({ id }) => id!)
    expect(written.slice(1)).toEqual(ids.slice(1))
    expect(written[0]).toMatch(/^[a-zA-Z0-9_-]+$/)
    expect(new Set(written).size).toBe(3)
    expect(answered!.content.map(({ tool_use_id: id }) => id)).toEqual(written)
  })

  it('has a thought in cipher as one, whatever text a client that gathers streams put beside it', () => {
    const cipher = { type: 'reasoning.encrypted', data: 'Y2lwaGVy', format: 'anthropic-claude-v1', index: 1 }
    const answer = { role: 'assistant', content: 'Hi', reasoning_content: 'Hm', reasoning_details: [cipher] }
    const { body } = toMessages({ messages: [...messages, answer, ...messages] })

    expect((body['messages'] as { content: object[] }[])[1]!.content).toEqual([
      { type: 'redacted_thinking', data: 'Y2lwaGVy' },
      { type: 'text', text: 'Hi' },
    ])
  })

  it('has results of tools before all else that was said after the calls', () => {
    const input = [
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { role: 'user', content: 'Well?' },
      { type: 'function_call_output', call_id: 'c', output: 'done' },
    ]
    const { body } = translated('openai-responses', 'anthropic-messages', { input })

    expect((body['messages'] as { content: object[] }[])[1]!.content).toMatchObject([
      { type: 'tool_result', tool_use_id: 'c' },
      { type: 'text', text: 'Well?' },
    ])
  })

  it.each([
    [{}, undefined],
    [{ effort: null, summary: null }, undefined],
    [{ summary: 'auto' }, { type: 'adaptive' }],
    [{ effort: 'none' }, { type: 'disabled' }],
  ])('is asked for thoughts where OpenAI’s responses were asked for them with %j', (reasoning, expected) => {
    const target = { provider: 'anthropic', model: 'claude-opus-4-6' }
    const { body, told } = translated('openai-responses', 'anthropic-messages', { input: 'hi', reasoning }, target)

    expect(body['thinking']).toEqual(expected)
    expect(told).toEqual([])
  })

  const adaptive = { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }
  const budget = (tokens: number) => ({ thinking: { type: 'enabled', budget_tokens: tokens } })
  it.each([
    ['claude-opus-4-6', adaptive],
    ['claude-opus-4-10', adaptive],
    ['claude-sonnet-5', adaptive],
    ['claude-sonnet-4-5', budget(4_096)],
    ['claude-sonnet-4-5-20250929', budget(4_096)],
    ['claude-sonnet-4-20250514', budget(4_096)],
    ['claude-opus-4-0', budget(4_096)],
    ['anthropic.claude-haiku-4-5-20251001-v1:0', budget(4_096)],
    ['claude-3-7-sonnet-latest', budget(4_096)],
    ['claude-3-5-haiku-latest', {}],
  ])('asks %s to think as that model is asked', (model, expected) => {
    const { body, told } = toMessages({ reasoning_effort: 'low' }, model)

    expect({ ...body, model: undefined, messages: undefined }).toEqual(expected)
    expect(told).toEqual(Object.keys(expected).length === 0 ? ['reasoning'] : [])
  })

  it.each([
    ['a tool that must be called', { tool_choice: 'required' }],
    ['a temperature', { temperature: 0.2 }],
    ['a share of the likeliest', { top_p: 0.5 }],
  ])('asks a model that thinks as it likes for no thoughts beside %s, which Anthropic would refuse', (_what, asked) => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: inputSchema } }]
    const { body, told } = toMessages({ reasoning_effort: 'low', tools, ...asked })

    expect(body).not.toHaveProperty('thinking')
    expect(body['output_config']).toEqual({ effort: 'low' })
    expect(told).toEqual(['reasoning'])
  })

  it('does not say both how to sample and that all is as it is anyway, which newer models refuse', () => {
    const sampling = (asked: object) => {
      const { temperature, top_p } = toMessages({ reasoning_effort: 'low', ...asked }).body
      return { temperature, top_p }
    }

    expect(sampling({ temperature: 1, top_p: 1 })).toEqual({})
    expect(sampling({ temperature: 0.3, top_p: 1 })).toEqual({ temperature: 0.3 })
    expect(sampling({ temperature: 1, top_p: 0.96 })).toEqual({ top_p: 0.96 })
    expect(toMessages({ reasoning_effort: 'low', temperature: 1, top_p: 0.96 }).body).toHaveProperty('thinking')
  })

  it.each([
    ['claude-opus-4-6', 'xhigh', 'high'],
    ['claude-opus-4-7', 'xhigh', 'xhigh'],
    ['claude-opus-5', 'minimal', 'low'],
  ])('asks %s for the effort next to %s that it has', (model, effort, expected) => {
    expect(toMessages({ reasoning_effort: effort }, model).body['output_config']).toEqual({ effort: expected })
  })

  it.each([
    ['half of what may be written', { max_completion_tokens: 5_000 }, {}, 2_500],
    ['half of what the model can write', {}, { maxOutputTokens: 4_096 }, 2_048],
    ['no budget where the answer is too short for one', { max_completion_tokens: 2_000 }, {}, undefined],
    ['no budget beside a tool that must be called', { tool_choice: 'required' }, {}, undefined],
    ['no budget beside a temperature', { temperature: 0 }, {}, undefined],
  ])('gives a model before Claude 4.6 %s', (_what, asked, target, tokens) => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: inputSchema } }]
    const { body, told } = toMessages({ reasoning_effort: 'high', tools, ...asked }, 'claude-sonnet-4-5', target)

    expect(body['thinking']).toEqual(tokens === undefined ? undefined : budget(tokens).thinking)
    expect(told).toEqual(tokens === undefined ? ['reasoning'] : [])
  })
})

it('a body that is too deep is refused where it cannot be written, and no fault of ours', () => {
  const deep = `${'['.repeat(20_000)}12345678901234567890${']'.repeat(20_000)}`
  const request = (fields: string) =>
    dialects['openai-chat'].parse(Buffer.from(`{"model":"auto","messages":[{"role":"user","content":"hi"}],${fields}}`))
  const target = { provider: 'anthropic', model: 'm', maxOutputTokens: undefined, reasoning: false }
  const translate = (fields: string) =>
    translateRequest(request(fields), dialects['openai-chat'], dialects['anthropic-messages'], target)

  expect(translate(`"unheard_of":${deep}`).lost).toEqual(['unheard_of'])
  const tool = `"tools":[{"type":"function","function":{"name":"f","parameters":{"x":${deep}}}}]`
  expect(() => translate(tool).request.bytes).toThrow(expect.objectContaining({ code: 'invalid_body' }))
  expect(() => tokensOf(request(tool))).toThrow(expect.objectContaining({ code: 'invalid_body' }))

  const inMessages = (block: string) =>
    dialects['anthropic-messages'].parse(
      Buffer.from(`{"model":"auto","max_tokens":5,"messages":[{"role":"user","content":[${block}]}]}`),
    )
  const call = inMessages(`{"type":"tool_use","id":"a","name":"f","input":{"x":${deep}}}`)
  const results = '[{"type":"tool_result","content":'
  const result = inMessages(`${results.repeat(20_000)}"x"${'}]'.repeat(20_000)}`.slice(1, -1))
  const invalid = expect.objectContaining({ code: 'invalid_body' }) as Error
  expect(() => call.messages).toThrow(invalid)
  expect(() => result.messages).toThrow(invalid)
  expect([...result.modality]).toEqual(['text'])
  expect(result.media).toEqual({ parts: [], bytes: 0 })
  for (const one of [call, result]) expect(() => one.mapText((said) => said)).toThrow(invalid)
  for (const one of [call, result])
    expect(() => translateRequest(one, dialects['anthropic-messages'], dialects['openai-chat'], target)).toThrow(
      invalid,
    )
})

describe('words at which to stop', () => {
  it.each([[[5]], [[null, 'a']], [{}], [7]])('that are none are lost, and no fault of ours: %j', (stop) => {
    expect(toMessages({ stop }).told).toEqual(['stop'])
    expect(fromMessages('openai-chat', { stop_sequences: stop }).told).toEqual(['stop_sequences'])
  })

  it('may be one by itself', () => {
    expect(toMessages({ stop: 'end' }).body['stop_sequences']).toEqual(['end'])
  })
})

describe('what asks for nothing', () => {
  it.each<[DialectName, DialectName, object]>([
    ['openai-chat', 'openai-responses', { messages, stop: [], metadata: {} }],
    ['openai-chat', 'anthropic-messages', { messages, stop: [], metadata: {}, n: 1, logit_bias: {}, tools: [] }],
    ['anthropic-messages', 'openai-responses', { messages, max_tokens: 50, stop_sequences: [], mcp_servers: [] }],
    ['anthropic-messages', 'openai-chat', { messages, max_tokens: 50, stop_sequences: [] }],
    ['openai-responses', 'openai-chat', { input: 'hi', include: [], metadata: {}, truncation: 'disabled' }],
    ['openai-responses', 'anthropic-messages', { input: 'hi', metadata: {}, text: {}, top_logprobs: 0 }],
    ['openai-responses', 'openai-chat', { input: 'hi', text: { format: null, verbosity: null } }],
  ])('is neither lost nor left out from %s to %s: %j', (from, to, fields) => {
    expect(translated(from, to, fields).told).toEqual([])
  })

  it('is the schema of a tool without arguments, which Anthropic wants all the same', () => {
    const schemaOf = (parameters: unknown) => {
      const tools = [{ type: 'function', function: { name: 'f', parameters } }]
      return (toMessages({ tools }).body['tools'] as { input_schema: object }[])[0]!.input_schema
    }

    expect(schemaOf({})).toEqual({ type: 'object' })
    expect(schemaOf(undefined)).toEqual({ type: 'object', properties: {} })
    expect(schemaOf({ type: 'object', required: [] })).toEqual({ type: 'object', required: [] })
  })
})

describe('the schema of an answer', () => {
  const declared = { name: 'a', schema: inputSchema }
  const formatOf = (from: DialectName, to: DialectName, fields: object) => {
    const { response_format: inChat, text: inResponses } = translated(from, to, fields).body
    return (inChat as { json_schema: object } | undefined)?.json_schema ?? (inResponses as { format: object }).format
  }

  it.each([undefined, true, false])('holds as strictly as one of OpenAI’s dialects said to the other: %s', (strict) => {
    const format = { ...declared, ...(strict !== undefined && { strict }) }
    const inChat = { messages, response_format: { type: 'json_schema', json_schema: format } }
    const inResponses = { input: 'hi', text: { format: { type: 'json_schema', ...format } } }

    expect(formatOf('openai-chat', 'openai-responses', inChat)).toEqual({ type: 'json_schema', ...format })
    expect(formatOf('openai-responses', 'openai-chat', inResponses)).toEqual(format)
  })

  it.each(['openai-chat', 'openai-responses'] as const)('holds strictly from Anthropic to %s', (to) => {
    const format = { type: 'json_schema', schema: inputSchema }

    expect(formatOf('anthropic-messages', to, { messages, output_config: { format } })).toMatchObject({ strict: true })
  })
})

describe('a conversation', () => {
  it.each<[DialectName, object, string]>([
    ['openai-chat', { messages: 'hello' }, 'messages'],
    ['anthropic-messages', { messages: { role: 'user' } }, 'messages'],
    ['openai-responses', { input: 5 }, 'input'],
  ])('in %s that is no list is not taken for an empty one: %o', (from, fields, name) => {
    const to = from === 'openai-chat' ? 'anthropic-messages' : 'openai-chat'

    expect(translated(from, to, fields).told).toEqual([name])
  })

  it.each(['data:image/png;base64,iVBO', 'data:image/png;charset=utf-8;base64,iVBO', 'DATA:image/png;BASE64,iVBO'])(
    'may hold a picture as %s',
    (url) => {
      const picture = { type: 'image_url', image_url: { url } }
      const source = { type: 'base64', media_type: 'image/png', data: 'iVBO' }

      expect(toMessages({ messages: [{ role: 'user', content: [picture] }] }).body['messages']).toEqual([
        { role: 'user', content: [{ type: 'image', source }] },
      ])
    },
  )

  it('may give the link of a picture by itself', () => {
    const picture = { type: 'image_url', image_url: 'https://example.com/a.png' }

    expect(toMessages({ messages: [{ role: 'user', content: [picture] }] }).body['messages']).toEqual([
      { role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }] },
    ])
  })
})

describe('results of tools in chat stand right behind the calls', () => {
  const written = (from: DialectName, fields: object) =>
    (translated(from, 'openai-chat', fields).body['messages'] as { role: string; tool_call_id?: string }[]).map(
      ({ role, tool_call_id: id }) => id ?? role,
    )

  it('from Anthropic, also where a message each holds them, and pictures', () => {
    const picture = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }
    const call = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} })
    const result = (id: string) => ({
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: id, content: [picture] }],
    })
    const called = { role: 'assistant', content: [call('a'), call('b')] }

    expect(
      written('anthropic-messages', { messages: [...messages, called, result('a'), result('b'), ...messages] }),
    ).toEqual(['user', 'assistant', 'a', 'b', 'user'])
  })

  it('from OpenAI’s responses, whatever the user says between them', () => {
    const call = (id: string) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' })
    const result = (id: string) => ({ type: 'function_call_output', call_id: id, output: 'done' })
    const word = { role: 'user', content: 'Well?' }
    const input = [call('a'), call('b'), word, word, result('a'), word, result('b')]

    expect(written('openai-responses', { input })).toEqual(['assistant', 'a', 'b', 'user'])
  })
})

it.each<[DialectName, object]>([
  ['anthropic-messages', { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }],
  ['openai-responses', { type: 'input_image', image_url: 'https://example.com/a.png' }],
])('a picture that an assistant of %s shows is lost in chat, which shows none of its own: %j', (from, picture) => {
  const conversation = [...messages, { role: 'assistant', content: [picture] }, ...messages]
  const field = from === 'anthropic-messages' ? 'messages' : 'input'

  expect(translated(from, 'openai-chat', { [field]: conversation }).told).toEqual(['messages[].content[].image'])
})

describe('what stands inside a field and has no words elsewhere', () => {
  const base64 = { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' }
  const document = { type: 'document', source: base64 }
  const cached = { cache_control: { type: 'ephemeral' } }
  const said = (content: unknown) => [{ role: 'user', content }]

  it.each<[DialectName, object, readonly string[], readonly string[]]>([
    ['anthropic-messages', { messages: said([{ ...document, citations: { enabled: true } }]) }, ['citations'], []],
    ['anthropic-messages', { messages: said([{ ...document, citations: { enabled: false } }]) }, [], []],
    ['anthropic-messages', { messages: said([{ ...document, context: 'A page.' }]) }, [], ['context']],
    [
      'anthropic-messages',
      { messages: said([{ type: 'document', title: 'T', source: { type: 'text', data: 'A page.' } }]) },
      [],
      ['title'],
    ],
    ['anthropic-messages', { messages: said([{ type: 'text', text: 'hi', ...cached }]) }, [], ['cache_control']],
    [
      'anthropic-messages',
      {
        messages: said([{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'hi', ...cached }] }]),
      },
      [],
      ['cache_control'],
    ],
    ['openai-chat', { messages: said([{ type: 'text', text: 'hi', ...cached }]) }, [], ['cache_control']],
    ['openai-responses', { input: said([{ type: 'input_text', text: 'hi', ...cached }]) }, [], ['cache_control']],
  ])('is told of in content from %s: %o', (from, fields, lost, skipped) => {
    const to = from === 'openai-chat' ? 'openai-responses' : 'openai-chat'
    const at = from === 'openai-responses' ? 'input[].content[]' : 'messages[].content[]'

    expect(translated(from, to, fields)).toMatchObject({ told: [...lost, ...skipped].map((name) => `${at}.${name}`) })
  })

  it.each<[DialectName, object, string]>([
    ['anthropic-messages', { name: 'f', input_schema: inputSchema, defer_loading: true }, 'tools[].defer_loading'],
    ['openai-chat', { type: 'function', function: { name: 'f', extra: 1 } }, 'tools[].function.extra'],
    ['openai-responses', { type: 'function', name: 'f', parameters: inputSchema, extra: 1 }, 'tools[].extra'],
  ])('is told of in a tool from %s, and no reason to refuse', (from, tool, name) => {
    const to = from === 'openai-chat' ? 'openai-responses' : 'openai-chat'

    expect(translated(from, to, { messages, tools: [tool] }).told).toContain(name)
  })

  it.each<[DialectName, object, string]>([
    [
      'openai-chat',
      { response_format: { type: 'json_schema', json_schema: { name: 'a', schema: inputSchema, description: 'A.' } } },
      'response_format.json_schema.description',
    ],
    ['openai-responses', { reasoning: { effort: 'low', summary: 'auto', extra: 1 } }, 'reasoning.extra'],
    [
      'openai-responses',
      { text: { format: { type: 'json_schema', name: 'a', schema: inputSchema, description: 'A.' } } },
      'text.format.description',
    ],
    ['openai-responses', { text: { format: { type: 'text' }, extra: 1 } }, 'text.extra'],
    ['anthropic-messages', { thinking: { type: 'adaptive', display: 'omitted' } }, 'thinking.display'],
    ['anthropic-messages', { output_config: { effort: 'low', task_budget: {} } }, 'output_config.task_budget'],
  ])('is told of in other fields from %s, and no reason to refuse: %j', (from, fields, name) => {
    const to = from === 'openai-chat' ? 'openai-responses' : 'openai-chat'

    expect(translated(from, to, { ...(from !== 'openai-responses' && { messages }), ...fields }).told).toEqual([name])
  })

  it('is told of in a message, but not what clients send back of an answer as it came', () => {
    const answer = { role: 'assistant', content: 'Hi', refusal: null, annotations: null, audio: null }
    const messagesOf = (more: object) => [...messages, { ...answer, ...more }, ...messages]

    expect(toMessages({ messages: messagesOf({}) }).told).toEqual([])
    expect(toMessages({ messages: messagesOf({ annotations: [] }) }).told).toEqual([])
    expect(toMessages({ messages: messagesOf({ prefix: true }) }).told).toEqual(['messages[].prefix'])
  })
})
