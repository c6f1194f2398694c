import OpenAI from 'openai'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startSimulatedProvider, type SimulatedProviderOptions } from '../simulated-provider.ts'

const hello = { model: 'gpt-4.1', messages: [{ role: 'user' as const, content: 'What is a circuit breaker?' }] }

async function start(options: SimulatedProviderOptions = {}) {
  const provider = await startSimulatedProvider(options)
  onTestFinished(() => provider.close())
  return { provider, client: new OpenAI({ baseURL: provider.baseUrl, apiKey: 'sk-any', maxRetries: 0 }) }
}

describe('tool calls and JSON', () => {
  const tools = [
    {
      type: 'function' as const,
      function: {
        name: 'get_weather',
        parameters: {
          type: 'object',
          properties: {
            city: { type: 'string' },
            unit: { enum: ['celsius', 'fahrenheit'] },
            days: { type: 'integer', minimum: 1 },
          },
          required: ['city'],
        },
      },
    },
    { type: 'function' as const, function: { name: 'search_hotels', parameters: { type: 'object', properties: {} } } },
  ]
  const ask = (content: string) => ({ model: 'gpt-4.1', tools, messages: [{ role: 'user' as const, content }] })

  it('calls the tool that the prompt asks for, with arguments that fit its schema', async () => {
    const { client } = await start()
    const answer = await client.chat.completions.create(
      ask('What is the weather in Da Nang for 3 days, in fahrenheit?'),
    )
    const [choice] = answer.choices
    expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } })
    const [call] = choice!.message.tool_calls!
    expect(call!.id).toMatch(/^call_\w{24}$/)
    if (call!.type !== 'function') throw new Error('no function call')
    expect([call!.function.name, JSON.parse(call!.function.arguments)]).toEqual([
      'get_weather',
      { city: 'Da Nang', unit: 'fahrenheit', days: 3 },
    ])
  })

  it('streams several tool calls that put together are the plain ones', async () => {
    const { client } = await start()
    const prompt = ask('weather and search hotels in Hanoi')
    const plain = await client.chat.completions.create(prompt)
    const streamed = await client.chat.completions.stream(prompt).finalChatCompletion()
    expect(callsOf(plain)).toHaveLength(2)
    expect(callsOf(streamed)).toEqual(callsOf(plain))
  })

  it('obeys tool_choice and parallel_tool_calls, and answers once the tool has', async () => {
    const { client } = await start()
    const create = (more: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>) =>
      client.chat.completions.create({ ...ask('weather and search hotels in Hanoi'), ...more })
    const named = await create({ tool_choice: { type: 'function', function: { name: 'search_hotels' } } })
    expect(named.choices[0]!.message.tool_calls).toMatchObject([{ function: { name: 'search_hotels' } }])
    const none = await create({ tool_choice: 'none' })
    expect(none.choices[0]!.message.tool_calls).toBeUndefined()
    const one = await create({ parallel_tool_calls: false })
    expect(one.choices[0]!.message.tool_calls).toHaveLength(1)
    const required = await create({ tool_choice: 'required', messages: [{ role: 'user', content: 'hello' }] })
    expect(required.choices[0]!.message.tool_calls).toHaveLength(1)
    const after = await create({
      messages: [
        { role: 'user', content: 'weather?' },
        {
          role: 'assistant',
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'get_weather', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: '31 degrees, sunny' },
      ],
    })
    expect(after.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: expect.stringContaining('31 degrees') },
    })
  })

  it('gives JSON for a schema, recursive ones included', async () => {
    const { client } = await start()
    const schema = {
      type: 'object',
      properties: {
        score: { type: 'number', minimum: 0, maximum: 1 },
        label: { enum: ['simple', 'complex'] },
        step: { type: 'integer', multipleOf: 5, minimum: 7 },
        tree: { $ref: '#/$defs/node' },
        tags: { type: 'array', items: { type: 'string', maxLength: 3 }, minItems: 2 },
      },
      required: ['score', 'label', 'step', 'tree', 'tags'],
      $defs: {
        node: {
          type: 'object',
          properties: { child: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
          required: ['child'],
        },
      },
    }
    const format = { type: 'json_schema' as const, json_schema: { name: 'verdict', strict: true, schema } }
    const answer = await client.chat.completions.create({ ...hello, response_format: format })
    const value = JSON.parse(answer.choices[0]!.message.content!)
    expect(value).toMatchObject({ score: 1, label: 'simple', step: 10 })
    expect(value.tags.map((tag: string) => tag.length)).toEqual([3, 3])
    expect(JSON.stringify(value.tree)).toMatch(/^(\{"child":)+null\}+$/)
  })

  it('gives an object in JSON mode, and asks for the word', async () => {
    const { client } = await start()
    const format = { response_format: { type: 'json_object' as const } }
    await expect(client.chat.completions.create({ ...hello, ...format })).rejects.toMatchObject({ status: 400 })
    const messages = [{ role: 'user' as const, content: 'Answer in JSON: 2 + 2' }]
    const answer = await client.chat.completions.create({ ...hello, ...format, messages })
    expect(JSON.parse(answer.choices[0]!.message.content!).answer).toContain('2 + 2 = 4')
  })
})

const callsOf = ({ choices }: OpenAI.ChatCompletion) =>
  choices[0]!.message.tool_calls!.map(
    (call) => call.type === 'function' && [call.function.name, call.function.arguments],
  )
