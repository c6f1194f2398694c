import { LLMock } from '@copilotkit/aimock'
import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { anthropic, openai } from '@signalbox/core'
import { collect } from './support/caller.ts'
import { anthropicClient, describeReaches, openaiClient } from './support/mounts.ts'
import { modelAt, routerFor } from './support/routers.ts'

let mock: LLMock

beforeAll(async () => {
  mock = new LLMock({ port: 0 })
  const usage = { input_tokens: 11, output_tokens: 7, prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 }
  mock.onMessage('capital', { content: 'The capital of Vietnam is Hanoi. Thủ đô là Hà Nội. 🏯', usage })
  mock.onMessage('And of Laos', { content: 'Vientiane.', usage })
  mock.onMessage('Think of', {
    content: 'Hà Nội it is.',
    reasoning: 'Hue was it once, so: Hanoi.',
    reasoningSignature: 'c2lnbmF0dXJl',
    usage,
  })
  mock.onMessage('weather', {
    toolCalls: [
      { name: 'get_weather', arguments: '{"city":"Hue"}' },
      { name: 'get_weather', arguments: '{"city":"Đà Nẵng"}' },
    ],
    usage,
  })
  await mock.start()
})

afterAll(() => mock.stop())

/** A model of each provider's dialect. */
const routerOfAll = () =>
  routerFor({
    models: {
      chat: modelAt({ baseUrl: `${mock.url}/v1` }),
      messages: anthropic('claude-sonnet-4-5', { baseUrl: `${mock.url}/v1`, apiKey: 'key' }),
      responses: openai('gpt-4.1', { baseUrl: `${mock.url}/v1`, apiKey: 'key', dialect: 'openai-responses' }),
    },
    retry: false,
  })

const providers = ['chat', 'messages', 'responses'] as const
const question = { role: 'user', content: 'What is the capital of Vietnam?' } as const
const weather = { role: 'user', content: 'How is the weather in Hue and in Đà Nẵng?' } as const
const inputSchema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] }
const anthropicTool = { name: 'get_weather', input_schema: inputSchema }
const chatTool: OpenAI.ChatCompletionTool = {
  type: 'function',
  function: { name: 'get_weather', parameters: inputSchema },
}

describeReaches("OpenAI's client", (reach) => {
  it.each(providers)('gets a completion of the provider %s', async (model) => {
    const client = openaiClient(await reach(routerOfAll()))

    const answer = await client.chat.completions.create({ model, messages: [question] })

    expect(answer).toMatchObject({
      object: 'chat.completion',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant' } }],
      usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
    })
    expect(answer.choices[0]!.message.content).toContain('Hà Nội. 🏯')
  })

  it.each(providers)('gets a stream of the provider %s', async (model) => {
    const client = openaiClient(await reach(routerOfAll()))

    const stream = client.chat.completions.stream({
      model,
      messages: [question],
      stream_options: { include_usage: true },
    })
    const chunks = await collect(stream)
    const answer = await stream.finalChatCompletion()

    expect(answer.choices[0]!.message.content).toContain('Hà Nội. 🏯')
    expect(answer.choices[0]!.finish_reason).toBe('stop')
    expect(answer.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7 })
    expect(chunks.length).toBeGreaterThan(3)
  })

  it.each(providers)('gets parallel tool calls of the provider %s, streamed and not', async (model) => {
    const client = openaiClient(await reach(routerOfAll()))
    const asked = { model, messages: [weather], tools: [chatTool] }

    const plain = await client.chat.completions.create(asked)
    const streamed = await client.chat.completions.stream(asked).finalChatCompletion()

    for (const { choices } of [plain, streamed]) {
      const calls = choices[0]!.message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[]
      expect(choices[0]!.finish_reason).toBe('tool_calls')
      expect(calls.map((call) => call.function)).toMatchObject([
        { name: 'get_weather', arguments: '{"city":"Hue"}' },
        { name: 'get_weather', arguments: '{"city":"Đà Nẵng"}' },
      ])
      expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
    }
  })
})

describeReaches("OpenAI's client for responses", (reach) => {
  it.each(providers)('gets a response of the provider %s', async (model) => {
    const client = openaiClient(await reach(routerOfAll()))

    const answer = await client.responses.create({ model, input: question.content })

    expect(answer).toMatchObject({
      object: 'response',
      status: 'completed',
      usage: { input_tokens: 11, output_tokens: 7, total_tokens: 18 },
    })
    expect(answer.output_text).toContain('Hà Nội. 🏯')
  })

  it.each(providers)('gets a stream of the provider %s', async (model) => {
    const client = openaiClient(await reach(routerOfAll()))

    const stream = client.responses.stream({ model, input: [question] })
    const events = await collect(stream)
    const answer = await stream.finalResponse()

    expect(answer.output_text).toContain('Hà Nội. 🏯')
    expect(answer).toMatchObject({ status: 'completed', usage: { input_tokens: 11, output_tokens: 7 } })
    // The mock leaves the numbers out, and its bytes pass through.
    const numbers = events.map((_, index) => (model === 'responses' ? undefined : index))
    expect(events.map((event) => event.sequence_number)).toEqual(numbers)
    expect(events.at(-1)!.type).toBe('response.completed')
  })

  it.each(providers)('gets parallel tool calls of the provider %s, streamed and not', async (model) => {
    const client = openaiClient(await reach(routerOfAll()))
    const tool = { type: 'function' as const, name: 'get_weather', parameters: inputSchema, strict: true }
    const asked = { model, input: [weather], tools: [tool] }

    const plain = await client.responses.create(asked)
    const streamed = await client.responses.stream(asked).finalResponse()

    for (const { output } of [plain, streamed]) {
      const calls = output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
      expect(calls).toMatchObject([
        { name: 'get_weather', arguments: '{"city":"Hue"}' },
        { name: 'get_weather', arguments: '{"city":"Đà Nẵng"}' },
      ])
      expect(new Set(calls.map((call) => call.call_id)).size).toBe(2)
    }
  })
})

describeReaches("Anthropic's client", (reach) => {
  it.each(providers)('gets a message of the provider %s', async (model) => {
    const client = anthropicClient(await reach(routerOfAll()))

    const answer = await client.messages.create({ model, max_tokens: 100, messages: [question] })

    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      stop_reason: 'end_turn',
      usage: { input_tokens: 11, output_tokens: 7 },
    })
    expect(textOf(answer)).toContain('Hà Nội. 🏯')
  })

  it.each(providers)('gets a stream of the provider %s', async (model) => {
    const client = anthropicClient(await reach(routerOfAll()))

    const stream = client.messages.stream({ model, max_tokens: 100, messages: [question] })
    const events = await collect(stream)
    const answer = await stream.finalMessage()

    expect(textOf(answer)).toContain('Hà Nội. 🏯')
    expect(answer).toMatchObject({ stop_reason: 'end_turn', usage: { input_tokens: 11, output_tokens: 7 } })
    expect(events.at(0)!.type).toBe('message_start')
    expect(events.at(-1)!.type).toBe('message_stop')
  })

  it.each(providers)('gets parallel tool calls of the provider %s, streamed and not', async (model) => {
    const client = anthropicClient(await reach(routerOfAll()))
    const asked = { model, max_tokens: 100, messages: [weather], tools: [anthropicTool] }

    const plain = await client.messages.create(asked)
    const streamed = await client.messages.stream(asked).finalMessage()

    for (const { content, stop_reason: reason } of [plain, streamed]) {
      const calls = content.filter((block) => block.type === 'tool_use')
      expect(reason).toBe('tool_use')
      expect(calls).toMatchObject([
        { name: 'get_weather', input: { city: 'Hue' } },
        { name: 'get_weather', input: { city: 'Đà Nẵng' } },
      ])
      expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
    }
  })

  it.each(providers)('gets the thoughts of the provider %s, streamed and not, and goes on with them', async (model) => {
    const client = anthropicClient(await reach(routerOfAll()))
    const asked = {
      model,
      max_tokens: 3_000,
      thinking: { type: 'enabled', budget_tokens: 1_024 } as const,
      messages: [{ role: 'user' as const, content: 'Think of a city in Vietnam.' }],
    }

    const plain = await client.messages.create(asked)
    const streamed = await client.messages.stream(asked).finalMessage()

    for (const { content } of [plain, streamed]) {
      const next = [...asked.messages, { role: 'assistant' as const, content }]
      const on = await client.messages.create({
        ...asked,
        messages: [...next, { role: 'user', content: 'And of Laos?' }],
      })
      expect(content).toMatchObject([
        { type: 'thinking', thinking: 'Hue was it once, so: Hanoi.' },
        { type: 'text', text: 'Hà Nội it is.' },
      ])
      expect(textOf(on)).toBe('Vientiane.')
    }
  })

  it('counts tokens, and lists the models in its own shape', async () => {
    const client = anthropicClient(await reach(routerOfAll()))

    const counted = await client.messages.countTokens({ model: 'chat', messages: [question] }).withResponse()
    const { input_tokens: tokens } = counted.data
    const models = await collect(client.models.list())

    expect(tokens).toBeGreaterThan(5)
    expect(tokens).toBeLessThan(30)
    expect(counted.response.headers.get('x-signalbox-estimated')).toBe('true')
    expect(models).toMatchObject([
      { id: 'chat', type: 'model' },
      { id: 'messages', type: 'model' },
      { id: 'responses', type: 'model' },
    ])
    expect(await client.models.retrieve('chat')).toMatchObject({ id: 'chat', type: 'model' })
  })
})

const textOf = ({ content }: Anthropic.Message) =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('')
