import { describe, expect, it } from 'vitest'
import { type ModelOptions, anthropic, openai, openaiCompatible } from '@signalbox/core'
import { completion, json, sse, stream, streamEvents } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { wires } from './support/dialects.ts'
import { describeMounts } from './support/mounts.ts'
import { listenTo, modelAt, routerFor, upstreamThat } from './support/routers.ts'

const messages = wires[1]!
const upstreamOfMessages = () => upstreamThat(json(messages.plain('Hello')))

describeMounts('what the dialect of a model has no words for', (mount) => {
  const asked = { n: 2, logit_bias: { 1: 1 }, metadata: { a: 'b' } }

  it('is refused with 400, which names it, before anything is sent', async () => {
    const upstream = await upstreamOfMessages()
    const router = routerFor({ models: { auto: messages.model(upstream) } })

    const answer = await send(await mount.serve(router), { body: chat(asked) })

    expect(answer.status).toBe(400)
    expect(answer.json().error).toMatchObject({
      code: 'untranslatable',
      param: 'logit_bias',
      type: 'invalid_request_error',
    })
    expect(answer.json().error.message).toContain('"logit_bias", "n"')
    expect(upstream.requests).toHaveLength(0)
  })

  it('sends the call to the next model, which is no failure of the first', async () => {
    const [first, second] = [await upstreamOfMessages(), await upstreamThat(completion({ content: 'Hello' }))]
    const models = { first: messages.model(first), second: modelAt(second) }
    const router = routerFor({ models, routes: { auto: { models: ['first', 'second'] } } })
    const told = listenTo(router)

    const answer = await send(await mount.serve(router), { body: chat(asked) })

    expect(answer.status).toBe(200)
    expect(answer.headers['x-signalbox-model']).toBe('second')
    expect(answer.headers['x-signalbox-attempts']).toBe('1')
    expect(first.requests).toHaveLength(0)
    expect(told.filter(({ event }) => event === 'attempt.started')).toHaveLength(1)
  })

  it('is left out and told of where the configuration says so', async () => {
    const upstream = await upstreamOfMessages()
    const router = routerFor({ models: { auto: messages.model(upstream) }, untranslatable: 'report' })

    const answer = await send(await mount.serve(router), { body: chat({ ...asked, 'odd\nname é': 1 }) })

    expect(answer.status).toBe(200)
    expect(answer.headers['x-signalbox-dropped']).toBe('logit_bias, odd?name??, n, metadata')
    expect(upstream.requests[0]!.json()).not.toHaveProperty('n')
  })

  it('is told of where it stands in an answer', async () => {
    const said = JSON.parse(JSON.stringify(messages.plain('Hello'))) as { content: object[] }
    said.content.unshift({ type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} })
    const router = routerFor({ models: { auto: messages.model(await upstreamThat(json(said))) } })

    const answer = await send(await mount.serve(router), { body: chat() })

    expect(answer.json().choices[0].message.content).toBe('Hello')
    expect(answer.headers['x-signalbox-dropped']).toBe('answer.content[].server_tool_use')
  })

  it('are headers meant for a vendor: they go to no other, and those for everyone do', async () => {
    const upstream = await upstreamOfMessages()
    const headers = { 'openai-beta': 'theirs', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    const router = routerFor({ models: { auto: messages.model(upstream) } })

    await send(await mount.serve(router), { body: chat(), headers })

    expect(upstream.requests[0]!.headers).not.toHaveProperty('openai-beta')
    expect(upstream.requests[0]!.headers).toMatchObject({ traceparent: headers.traceparent })
  })

  it('is told of in a comment before the end of a stream, whose head is out before it is known', async () => {
    const { opening, contents, ending } = messages.stream
    const search = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }
    const found =
      sse({ type: 'content_block_start', index: 1, content_block: search }, { event: 'content_block_start' }) +
      sse({ type: 'content_block_stop', index: 1 }, { event: 'content_block_stop' })
    const upstream = await upstreamThat(stream([opening, ...contents, found, ending]))
    const router = routerFor({ models: { auto: messages.model(upstream) } })

    const answer = await send(await mount.serve(router), { body: chat({ stream: true }) })

    const body = answer.body.toString()
    expect(body).toContain('\n\n: x-signalbox-dropped: answer.content[].server_tool_use\n\n')
    expect(body.indexOf(': x-signalbox-dropped')).toBeLessThan(body.indexOf('"finish_reason":"stop"'))
    expect(body.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('is told of and no reason to refuse, where the answer is the same without it', async () => {
    const router = routerFor({ models: { auto: messages.model(await upstreamOfMessages()) } })

    const answer = await send(await mount.serve(router), {
      body: chat({ metadata: { a: 'b' }, n: 1, logprobs: false }),
    })

    expect(answer.status).toBe(200)
    expect(answer.headers['x-signalbox-dropped']).toBe('metadata')
  })

  it('is no matter where the model speaks as the caller does', async () => {
    const upstream = await upstreamThat(completion({ content: 'Hello' }))
    const router = routerFor({ models: { auto: modelAt(upstream) } })

    const answer = await send(await mount.serve(router), { body: chat(asked) })

    expect(upstream.requests[0]!.json()).toMatchObject(asked)
    expect(answer.headers).not.toHaveProperty('x-signalbox-dropped')
  })
})

describe('an Anthropic model', () => {
  const body = { model: 'auto', messages: [{ role: 'user', content: 'hello' }] }

  async function sentBy(options: Partial<ModelOptions>, more: object = {}) {
    const upstream = await upstreamOfMessages()
    const { baseUrl } = upstream
    const router = routerFor({
      models: { auto: anthropic('claude-sonnet-4-5', { baseUrl, apiKey: 'sk-ant-1', ...(options as object) }) },
    })
    const answer = await router.fetch('http://in.process/v1/messages', {
      method: 'POST',
      body: JSON.stringify({ ...body, ...more }),
      headers: { 'anthropic-beta': 'a-beta', authorization: 'Bearer callers-own', 'x-api-key': 'callers-own' },
    })
    const { headers, path: url, body: sent } = upstream.requests[0]!
    return { answer, headers, url, sent: JSON.parse(sent.toString()) as Record<string, unknown> }
  }

  it('is asked with its own key and version, never the caller’s key', async () => {
    const { headers, url } = await sentBy({})

    expect(url).toMatch(/\/messages$/)
    expect(headers).toMatchObject({
      'x-api-key': 'sk-ant-1',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'a-beta',
    })
    expect(JSON.stringify(headers)).not.toContain('callers-own')
  })

  const use = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }
  const own = { type: 'thinking', thinking: 'Well.', signature: 'c2ln' }
  const foreign = { type: 'thinking', thinking: 'Well.', signature: 'signalbox.none' }
  const budget = { type: 'enabled', budget_tokens: 2_000 }

  it.each([
    ['of another provider that thought', [foreign, use], budget, undefined, 'thinking'],
    ['of another provider', [use], budget, undefined, 'thinking'],
    ['of its own', [own, use], budget, budget, null],
    ['of another provider, where it may think as it likes', [use], { type: 'adaptive' }, { type: 'adaptive' }, null],
    ['of nobody', [{ type: 'text', text: 'No.' }], budget, budget, null],
  ])('is asked to think with a budget beside calls of tools %s only where it may', async (...row) => {
    const [, content, thinking, expected, dropped] = row
    const results = [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'done' }]
    const talk = [...body.messages, { role: 'assistant', content }, { role: 'user', content: results }]

    const { sent, answer } = await sentBy({}, { max_tokens: 9_000, messages: talk, thinking })

    expect(sent['thinking']).toEqual(expected)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-signalbox-dropped')).toBe(dropped)
  })

  it('is told how much it may write where the caller does not say', async () => {
    expect((await sentBy({})).sent['max_tokens']).toBe(16_384)
    expect((await sentBy({ maxOutputTokens: 4_096 })).sent['max_tokens']).toBe(4_096)
    expect((await sentBy({ maxOutputTokens: 4_096 }, { max_tokens: 7 })).sent['max_tokens']).toBe(7)
  })
})

describe('OpenAI’s responses', () => {
  async function sentBy(model: string, asked: object) {
    const upstream = await upstreamThat(json(wires[2]!.plain('Hello')))
    const { baseUrl } = upstream
    const router = routerFor({ models: { auto: openai(model, { baseUrl, apiKey: 'sk-key' }) } })
    const body = JSON.stringify({ model: 'auto', input: 'hello', ...asked })
    await router.fetch('http://in.process/v1/responses', { method: 'POST', body })
    return upstream.requests[0]!.json() as { input: unknown; include?: string[]; store: boolean }
  }

  it('are asked for thoughts in cipher, since nothing is stored, where the model has them', async () => {
    const cipher = ['reasoning.encrypted_content']
    expect(await sentBy('gpt-5', {})).toMatchObject({ store: false, include: cipher })
    expect(await sentBy('o4-mini', { store: null, include: ['a', ...cipher] })).toMatchObject({
      include: ['a', ...cipher],
    })
    expect(await sentBy('gpt-5', { store: false })).not.toHaveProperty('include')
    expect(await sentBy('gpt-4.1', {})).not.toHaveProperty('include')
    expect(await sentBy('gpt-5-chat-latest', {})).not.toHaveProperty('include')
  })

  it('are not sent thoughts that stand nowhere, for which OpenAI would refuse the call', async () => {
    const said = { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hi' }] }
    const own = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA' }
    const stored = { type: 'reasoning', id: 'rs_2', summary: [] }
    const foreign = { ...own, encrypted_content: 'signalbox.anthropic-messages.signature..c2ln' }
    const unknown = { ...own, encrypted_content: null }
    const input = [{ role: 'user', content: 'hi' }, own, said, stored, said, foreign, unknown, said]

    expect((await sentBy('gpt-5', { input })).input).toEqual([input[0], own, said, said, said])
  })
})

describe('an endpoint that is compatible with OpenAI’s, but for its quirks', () => {
  async function sentTo(options: object, asked: object, respond = completion({ content: 'Hello' })) {
    const upstream = await upstreamThat(respond)
    const { baseUrl } = upstream
    const model = openaiCompatible({ baseUrl, model: 'm', apiKey: 'key', ...options })
    const router = routerFor({ models: { auto: model }, untranslatable: 'report' })
    const answer = await router.fetch('http://in.process/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify(chat(asked)),
    })
    await answer.text()
    const { headers, path: url } = upstream.requests[0]!
    return { answer, headers, url, sent: upstream.requests[0]!.json() as Record<string, unknown> }
  }
  /** An answer as OpenAI's client sends it back. */
  const answered = { role: 'assistant', content: 'Hi', refusal: null, annotations: [] }

  it.each([
    { vendor: 'mistral', asked: { max_completion_tokens: 9, seed: 3 }, becomes: { max_tokens: 9, random_seed: 3 } },
    {
      vendor: 'mistral',
      asked: { max_tokens: 9, max_completion_tokens: null, seed: null },
      becomes: { max_tokens: 9 },
    },
    { vendor: 'mistral', asked: { store: true, user: 'u' }, becomes: {}, dropped: 'store, user' },
    {
      vendor: 'mistral',
      asked: {
        messages: [
          { role: 'user', name: 'ada', content: 'hi' },
          { ...answered, reasoning_content: 'Hm' },
        ],
      },
      becomes: {
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: 'Hi' },
        ],
      },
      dropped: 'messages[].name, messages[].reasoning_content',
    },
    {
      vendor: 'groq',
      asked: { messages: [{ ...answered, reasoning_content: 'Hm', reasoning: 'Hm' }] },
      becomes: { messages: [{ ...answered, reasoning: 'Hm' }] },
      dropped: 'messages[].reasoning_content',
    },
    { vendor: 'groq', asked: { n: 2, logprobs: true }, becomes: {}, dropped: 'logprobs, n' },
    {
      vendor: 'groq',
      asked: { messages: [{ role: 'user', name: 'ada', content: 'hi' }] },
      becomes: { messages: [{ role: 'user', content: 'hi' }] },
      dropped: 'messages[].name',
    },
    { vendor: 'deepseek', asked: { max_completion_tokens: 9 }, becomes: { max_tokens: 9 } },
    { vendor: 'ollama', asked: { max_completion_tokens: 9, n: 1 }, becomes: { max_tokens: 9 } },
    { vendor: 'vllm', asked: { n: 2, top_k: 5 }, becomes: { n: 2, top_k: 5 } },
    { vendor: 'openrouter', asked: { transforms: ['middle-out'] }, becomes: { transforms: ['middle-out'] } },
    { vendor: 'gemini', asked: { extra_body: { google: {} } }, becomes: { extra_body: { google: {} } } },
  ])('$vendor: $asked goes as $becomes', async ({ vendor, asked, becomes, dropped = null }) => {
    const { answer, sent } = await sentTo({ vendor }, asked)

    expect(sent).toEqual({ model: 'm', messages: expect.any(Array), ...becomes })
    expect(answer.headers.get('x-signalbox-dropped')).toBe(dropped)
  })

  it('is Mistral: calls of tools have the ids that it takes, each its own, also those of other providers', async () => {
    const call = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })
    const ids = ['call_PTLP8xhu3uwZk4l3nlnrrJha', 'functions.f:0', 'abcDEF123']
    const asked = [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: null, tool_calls: ids.map(call) },
      ...ids.map((id) => ({ role: 'tool', tool_call_id: id, content: 'done' })),
    ]

    const { sent } = await sentTo({ vendor: 'mistral' }, { messages: asked })

    const [question, { tool_calls: calls }, ...results] = sent['messages'] as [object, { tool_calls: { id: string }[] }]
    expect(question).toEqual(asked[0])
    expect(calls.map(({ id }) => id)).toEqual([
      expect.stringMatching(/^[a-z\d]{9}$/),
      expect.stringMatching(/^[a-z\d]{9}$/),
      'abcDEF123',
    ])
    expect(calls[0]!.id).not.toBe(calls[1]!.id)
    expect(results).toEqual(calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'done' })))
    expect((await sentTo({ vendor: 'groq' }, { messages: asked })).sent['messages']).toEqual(asked)
  })

  it.each([
    ['gemini-3-pro-preview', 'gemini', true],
    ['google/gemini-3.1-pro', 'gemini', true],
    ['gemini-2.5-flash', 'gemini', false],
    ['gemini-3-pro-preview', 'openrouter', false],
  ] as const)('is asked for %s at %s with signatures of tool calls in place of those it lacks: %s', async (...row) => {
    const [model, vendor, isSigned] = row
    const call = (id: string, more: object = {}) => ({
      id,
      type: 'function',
      function: { name: 'f', arguments: '{}' },
      ...more,
    })
    const result = (id: string) => ({ role: 'tool', tool_call_id: id, content: 'done' })
    const own = { extra_content: { google: { thought_signature: 'c2ln' } } }
    const asked = [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: null, tool_calls: [call('a', own), call('b')] },
      ...['a', 'b'].map(result),
      { role: 'assistant', content: null, tool_calls: [call('c'), call('d')] },
      ...['c', 'd'].map(result),
    ]

    const { sent } = await sentTo({ vendor, model }, { messages: asked })

    const skips = { extra_content: { google: { thought_signature: 'skip_thought_signature_validator' } } }
    const last = { ...asked[4], tool_calls: [call('c', isSigned ? skips : {}), call('d')] }
    expect(sent['messages']).toEqual([...asked.slice(0, 4), last, ...asked.slice(5)])
  })

  it('is not asked for the usage of a stream where it refuses to be, and tells it all the same', async () => {
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
    const events = stream(streamEvents({ content: ['Hel', 'lo'], usage }))

    expect((await sentTo({ vendor: 'mistral' }, { stream: true }, events as never)).sent).not.toHaveProperty(
      'stream_options',
    )
    expect((await sentTo({}, { stream: true }, events as never)).sent).toHaveProperty('stream_options')
  })

  it.each([
    ['', '/openai/deployments/m/chat/completions?api-version=2024-10-21'],
    ['/openai', '/openai/deployments/m/chat/completions?api-version=2024-10-21'],
    ['/openai/deployments/other', '/openai/deployments/other/chat/completions?api-version=2024-10-21'],
    ['/openai/v1', '/openai/v1/chat/completions?api-version=2024-10-21'],
  ])('is found on Azure below "%s", with a header of its own for the key', async (path, expected) => {
    const upstream = await upstreamThat(completion({ content: 'Hello' }))
    const { origin } = new URL(upstream.baseUrl)
    const baseUrl = `${origin}${path}?api-version=2024-10-21`
    const model = openaiCompatible({ baseUrl, model: 'm', apiKey: 'key', vendor: 'azure' })

    await routerFor({ models: { auto: model } }).handle({ body: chat() })

    expect(upstream.requests[0]!.path).toBe(expected)
    expect(upstream.requests[0]!.headers).toMatchObject({ 'api-key': 'key' })
    expect(upstream.requests[0]!.headers).not.toHaveProperty('authorization')
  })
})
