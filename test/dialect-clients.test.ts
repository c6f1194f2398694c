import { LLMock } from '@copilotkit/aimock'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { openai } from '@signalbox/core'
import { json, sse, stream } from '@signalbox/testkit'
import { collect } from './support/caller.ts'
import { type Reached, anthropicClient, describeReaches, openaiClient } from './support/mounts.ts'
import { modelOfEachDialect } from './support/dialects.ts'
import { routerFor, upstreamThat } from './support/routers.ts'

let mock: LLMock

beforeAll(async () => {
  mock = new LLMock({ port: 0 })
  const usage = { input_tokens: 11, output_tokens: 7, prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 }
  mock.on(
    { toolCallId: 'call_hue', toolResultContains: '31 degrees in Hue' },
    { content: 'It is 31 degrees in Hue. ☀️', usage },
  )
  mock.onMessage('capital', { content: 'The capital of Vietnam is Hà Nội. 🏯', usage })
  mock.onMessage('weather', {
    toolCalls: [{ id: 'call_hue', name: 'get_weather', arguments: '{"city":"Hue"}' }],
    usage,
  })
  mock.onMessage('As JSON', { content: '{"city":"Huế","degrees":31}', usage })
  mock.onEmbedding('a text', { embedding: [0.25, -0.5, 1] })
  await mock.start()
})

afterAll(() => mock.stop())

const routerOfAll = () =>
  routerFor({
    models: {
      ...modelOfEachDialect(mock),
      vectors: openai('text-embedding-3-small', { baseUrl: `${mock.url}/v1`, apiKey: 'key' }),
    },
    retry: false,
    untranslatable: 'refuse',
  })

const providers = ['chat', 'messages', 'responses'] as const
const question = 'What is the capital of Vietnam?'
const weather = 'How is the weather in Hue?'
const inputSchema = { type: 'object' as const, properties: { city: { type: 'string' as const } }, required: ['city'] }
const degrees = async ({ city }: { city: string }) => `31 degrees in ${city}`

const aiSdk = {
  'chat completions': ({ url, fetch }: Reached) => createOpenAI({ baseURL: url, apiKey: 'none', fetch }).chat,
  responses: ({ url, fetch }: Reached) => {
    const provider = createOpenAI({ baseURL: url, apiKey: 'none', fetch })
    return (model: string) => provider.responses(model)
  },
  messages: ({ url, fetch }: Reached) => createAnthropic({ baseURL: url, apiKey: 'none', fetch }),
}
const pairs = Object.keys(aiSdk).flatMap((dialect) =>
  providers.map((provider) => ({ dialect: dialect as keyof typeof aiSdk, provider })),
)
const stateless = { openai: { store: false } }

describeReaches('the AI SDK', (reach) => {
  it.each(pairs)('generates text by $dialect from the provider $provider', async ({ dialect, provider }) => {
    const model = aiSdk[dialect](await reach(routerOfAll()))(provider)

    const { text, usage, finishReason } = await generateText({
      model,
      prompt: question,
      maxOutputTokens: 100,
      maxRetries: 0,
      providerOptions: stateless,
    })

    expect(text).toContain('Hà Nội. 🏯')
    expect(usage).toMatchObject({ inputTokens: 11, outputTokens: 7 })
    expect(finishReason).toBe('stop')
  })

  it.each(pairs)('streams text, with tools in between, by $dialect from the provider $provider', async (pair) => {
    const model = aiSdk[pair.dialect](await reach(routerOfAll()))(pair.provider)

    const { textStream, steps } = streamText({
      model,
      prompt: weather,
      maxOutputTokens: 100,
      maxRetries: 0,
      providerOptions: stateless,
      tools: { get_weather: tool({ inputSchema: jsonSchema<{ city: string }>(inputSchema), execute: degrees }) },
      stopWhen: stepCountIs(3),
    })

    expect((await collect(textStream)).join('')).toContain('31 degrees in Hue. ☀️')
    expect((await steps).map((step) => step.finishReason)).toEqual(['tool-calls', 'stop'])
    expect((await steps)[0]!.toolCalls).toMatchObject([{ toolName: 'get_weather', input: { city: 'Hue' } }])
  })
})

describeReaches("LangChain's ChatOpenAI", (reach) => {
  const cases = providers.flatMap((model) => [true, false].map((useResponsesApi) => ({ model, useResponsesApi })))

  it.each(cases)('asks the provider $model (responses: $useResponsesApi)', async ({ model, useResponsesApi }) => {
    const { url, fetch } = await reach(routerOfAll())
    const chat = new ChatOpenAI({
      model,
      apiKey: 'none',
      maxRetries: 0,
      useResponsesApi,
      zdrEnabled: true,
      configuration: { baseURL: url, fetch },
    })

    const answer = await chat.invoke(question)
    const streamed = (await collect(await chat.stream(question))).map((chunk) => chunk.text).join('')
    const called = await chat
      .bindTools([{ type: 'function', function: { name: 'get_weather', parameters: inputSchema } }])
      .invoke(weather)

    expect(answer.text).toContain('Hà Nội. 🏯')
    expect(streamed).toContain('Hà Nội. 🏯')
    expect(answer.usage_metadata).toMatchObject({ input_tokens: 11, output_tokens: 7 })
    expect(called.tool_calls).toMatchObject([{ name: 'get_weather', args: { city: 'Hue' } }])
  })
})

describeReaches("Anthropic's tool runner", (reach) => {
  it.each(providers)('runs a tool and goes on, threads or none, with the provider %s', async (model) => {
    const client = anthropicClient(await reach(routerOfAll()))

    const answer = await client.beta.messages.toolRunner({
      model,
      max_tokens: 100,
      messages: [{ role: 'user', content: weather }],
      tools: [
        betaTool({
          name: 'get_weather',
          description: 'The weather.',
          inputSchema,
          run: (given) => degrees(given as { city: string }),
        }),
      ],
    })

    expect(answer.content.map((block) => (block.type === 'text' ? block.text : '')).join('')).toContain('31 degrees')
  })
})

describeReaches('what the official clients parse', (reach) => {
  const schema = z.object({ city: z.string(), degrees: z.number() })
  const messages = [{ role: 'user' as const, content: 'As JSON: how warm is it in Hue?' }]
  const parsed = { city: 'Huế', degrees: 31 }

  it.each(providers)(
    "is read by OpenAI's for chat completions, streamed and not, from the provider %s",
    async (model) => {
      const { chat } = openaiClient(await reach(routerOfAll()))
      const response_format = zodResponseFormat(schema, 'weather')

      const plain = await chat.completions.parse({ model, messages, response_format })
      const streamed = await chat.completions.stream({ model, messages, response_format }).finalChatCompletion()

      expect(plain.choices[0]!.message.parsed).toEqual(parsed)
      expect(streamed.choices[0]!.message.parsed).toEqual(parsed)
    },
  )

  it.each(providers)("is read by OpenAI's for responses, streamed and not, from the provider %s", async (model) => {
    const { responses } = openaiClient(await reach(routerOfAll()))
    const asked = { model, input: messages, store: false, text: { format: zodTextFormat(schema, 'weather') } }

    const plain = await responses.parse(asked)
    const streamed = await responses.stream(asked).finalResponse()

    expect(plain.output_parsed).toEqual(parsed)
    expect(streamed.output_parsed).toEqual(parsed)
  })

  it.each(providers)("is read by Anthropic's from the provider %s", async (model) => {
    const client = anthropicClient(await reach(routerOfAll()))

    const message = await client.messages.parse({
      model,
      max_tokens: 100,
      messages,
      output_config: { format: zodOutputFormat(schema) },
    })

    expect(message.parsed_output).toEqual(parsed)
  })
})

describeReaches('a refusal', (reach) => {
  const refusal = 'That I will not do.'
  const usage = { input_tokens: 11, output_tokens: 7, prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 }
  const chunk = (choice: object) => sse({ id: 'c', model: 'm', choices: [{ index: 0, ...choice }], usage: null })
  const message = { type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'refusal', refusal }] }
  const response = { id: 'r', object: 'response', model: 'm', status: 'completed', output: [message], usage }
  const event = (type: string, body: object) => sse({ type, ...body }, { event: type })
  const refusals = {
    chat: {
      plain: { id: 'c', model: 'm', choices: [{ message: { content: null, refusal }, finish_reason: 'stop' }], usage },
      events: [chunk({ delta: { refusal } }), chunk({ delta: {}, finish_reason: 'stop' }), sse('[DONE]')],
    },
    responses: {
      plain: response,
      events: [
        event('response.created', { response: { ...response, output: [] } }),
        event('response.refusal.delta', { output_index: 0, content_index: 0, delta: refusal }),
        event('response.completed', { response }),
      ],
    },
  } as const

  it.each(['chat', 'responses'] as const)("is one for Anthropic's client too, of the provider %s", async (provider) => {
    const { plain, events } = refusals[provider]
    const upstream = await upstreamThat((request) =>
      (request.json() as { stream?: boolean }).stream ? stream(events) : json(plain),
    )
    const models = { auto: modelOfEachDialect({ url: upstream.baseUrl.replace(/\/v1$/, '') })[provider] }
    const client = anthropicClient(await reach(routerFor({ models })))
    const asked = { model: 'auto', max_tokens: 100, messages: [{ role: 'user' as const, content: 'Break in.' }] }

    const answers = [await client.messages.create(asked), await client.messages.stream(asked).finalMessage()]

    for (const answer of answers)
      expect(answer).toMatchObject({ stop_reason: 'refusal', content: [{ type: 'text', text: refusal }] })
  })
})

describeReaches('embeddings', (reach) => {
  it('pass through', async () => {
    const client = openaiClient(await reach(routerOfAll()))

    const { data, model } = await client.embeddings.create({ model: 'vectors', input: ['a text', 'another'] })

    expect(data[0]!.embedding).toEqual([0.25, -0.5, 1])
    expect(data).toHaveLength(2)
    expect(model).toBe('text-embedding-3-small')
  })

  it('are refused where the model has none', async () => {
    const client = openaiClient(await reach(routerOfAll()))

    await expect(client.embeddings.create({ model: 'messages', input: 'a text' })).rejects.toMatchObject({
      status: 400,
      code: 'untranslatable',
    })
  })
})
