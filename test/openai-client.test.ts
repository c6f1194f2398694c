import { LLMock } from '@copilotkit/aimock'
import OpenAI, {
  APIConnectionError,
  APIError,
  APIUserAbortError,
  BadRequestError,
  ConflictError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
  UnprocessableEntityError,
} from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { beforeAll, afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { hang, type SimulatedProvider, startSimulatedProvider } from '@signalbox/testkit'
import { collect } from './support/caller.ts'
import { describeClients, describeMounts } from './support/mounts.ts'
import { eventually, modelAt, routerFor, routerOver, upstreamThat } from './support/routers.ts'

const question = (content: string): OpenAI.ChatCompletionMessageParam[] => [{ role: 'user', content }]

const weather: OpenAI.ChatCompletionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

const City = z.object({ name: z.string(), inhabitants: z.number() })

let mock: LLMock
let simulated: SimulatedProvider

beforeAll(async () => {
  mock = new LLMock({ port: 0 })
  mock.onMessage('What is the capital', { content: 'The capital of Vietnam is Hanoi. Thủ đô là Hà Nội. 🏯' })
  mock.onMessage('the weather in Hue', { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Hue"}' }] })
  mock.onMessage('in JSON', { content: '{"answer":"Hanoi"}' })
  mock.onMessage('a city', { content: '{"name":"Hue","inhabitants":455230}' })
  await mock.start()
  simulated = await startSimulatedProvider()
})

afterAll(async () => {
  await mock.stop()
  await simulated.close()
})

const routerOfBoth = () =>
  routerFor({
    models: {
      mocked: modelAt({ baseUrl: `${mock.url}/v1` }),
      simulated: modelAt(simulated),
    },
    routes: { auto: { models: ['mocked', 'simulated'] } },
    retry: false,
  })

describeClients('the official client', (connect) => {
  describe.each(['mocked', 'simulated'])('with the model %s', (model) => {
    it('gets a completion', async () => {
      const client = await connect(routerOfBoth())

      const answer = await client.chat.completions.create({
        model,
        messages: question('What is the capital of Vietnam?'),
      })

      expect(answer.choices[0]!.message).toMatchObject({ role: 'assistant', content: expect.stringContaining('Hanoi') })
      expect(answer.choices[0]!.finish_reason).toBe('stop')
      expect(answer.usage!.total_tokens).toBeGreaterThan(0)
    })

    it('gets a stream that adds up to the same answer', async () => {
      const client = await connect(routerOfBoth())
      const messages = question('What is the capital of Vietnam?')

      const stream = await client.chat.completions.create({ model, messages, stream: true })
      const chunks = await collect(stream)

      expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toContain('Hanoi')
      expect(chunks.filter((chunk) => chunk.choices[0]?.delta.role === 'assistant')).toHaveLength(1)
      expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('stop')
    })

    it('gets the usage at the end of a stream when it asks for it', async () => {
      const client = await connect(routerOfBoth())
      const messages = question('What is the capital of Vietnam?')

      const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } })
      const answer = await stream.finalChatCompletion()

      expect(answer.choices[0]!.message.content).toContain('Hanoi')
      expect(answer.usage!.total_tokens).toBeGreaterThan(0)
    })

    it('gets tool calls', async () => {
      const client = await connect(routerOfBoth())
      const messages = question('get_weather: tell me the weather in Hue')

      const { choices } = await client.chat.completions.create({ model, messages, tools: [weather] })

      const [call] = choices[0]!.message.tool_calls!
      expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } })
      expect(JSON.parse((call as OpenAI.ChatCompletionMessageFunctionToolCall).function.arguments)).toHaveProperty(
        'city',
      )
      expect(choices[0]!.finish_reason).toBe('tool_calls')
    })

    it('gets tool calls from a stream', async () => {
      const client = await connect(routerOfBoth())
      const messages = question('get_weather: tell me the weather in Hue')

      const stream = client.chat.completions.stream({ model, messages, tools: [weather] })
      const { choices } = await stream.finalChatCompletion()

      const [call] = choices[0]!.message.tool_calls! as OpenAI.ChatCompletionMessageFunctionToolCall[]
      expect(call!.function.name).toBe('get_weather')
      expect(JSON.parse(call!.function.arguments)).toHaveProperty('city')
    })

    it('gets JSON when it asks for JSON', async () => {
      const client = await connect(routerOfBoth())

      const { choices } = await client.chat.completions.create({
        model,
        messages: question('Name a town, in JSON.'),
        response_format: { type: 'json_object' },
      })

      expect(JSON.parse(choices[0]!.message.content!)).toHaveProperty('answer')
    })

    it('gets what fits a schema, parsed', async () => {
      const client = await connect(routerOfBoth())

      const { choices } = await client.chat.completions.parse({
        model,
        messages: question('Describe a city.'),
        response_format: zodResponseFormat(City, 'city'),
      })

      expect(City.safeParse(choices[0]!.message.parsed).success).toBe(true)
    })
  })

  it('is answered by the next model when one provider fails', async () => {
    mock.nextRequestError(503, { message: 'Overloaded', type: 'server_error', code: 'server_is_overloaded' })
    const client = await connect(routerOfBoth())

    const { data, response } = await client.chat.completions
      .create({ model: 'auto', messages: question('What is the capital of Vietnam?') })
      .withResponse()

    expect(data.choices[0]!.message.content).toContain('simulated')
    expect(response.headers.get('x-signalbox-model')).toBe('simulated')
    expect(response.headers.get('x-signalbox-attempts')).toBe('2')
  })

  it('lists the models and finds one by its name', async () => {
    const client = await connect(routerOfBoth())

    const models = await collect(client.models.list())

    expect(models.map(({ id }) => id)).toEqual(['auto', 'mocked', 'simulated'])
    expect(await client.models.retrieve('simulated')).toMatchObject({ id: 'simulated', object: 'model' })
    await expect(client.models.retrieve('nobody')).rejects.toBeInstanceOf(NotFoundError)
  })

  it.each([
    { status: 400, error: BadRequestError, code: 'invalid_value' },
    { status: 409, error: ConflictError, code: null },
    { status: 422, error: UnprocessableEntityError, code: null },
    { status: 429, error: RateLimitError, code: 'rate_limit_exceeded' },
    { status: 500, error: InternalServerError, code: null },
    { status: 503, error: InternalServerError, code: 'server_is_overloaded' },
  ])("raises the class of a provider's $status, with its message and code", async ({ status, error, code }) => {
    const body = { error: { message: 'In the words of the provider', type: 'some_type', param: null, code } }
    simulated.fail('claude-sonnet-4.5', { status, body }, { times: 1 })
    const client = await connect(
      routerFor({ models: { one: modelAt(simulated, { model: 'claude-sonnet-4.5' }) }, retry: false }),
    )

    const raised: unknown = await client.chat.completions
      .create({ model: 'one', messages: question('Hello') })
      .catch((reason: unknown) => reason)

    expect(raised).toBeInstanceOf(error)
    expect(raised).toMatchObject({ status, code, type: 'some_type', message: `${status} In the words of the provider` })
    expect((raised as InstanceType<typeof APIError>).requestID).toMatch(/^[\da-f-]{36}$/)
  })

  it.each([
    { model: 'nobody', error: NotFoundError, status: 404, code: 'model_not_found', param: 'model' },
    { model: '', error: BadRequestError, status: 400, code: 'invalid_body', param: 'model' },
  ])('raises $code for a model named "$model"', async ({ model, error, ...told }) => {
    const client = await connect(routerOfBoth())

    const asked = client.chat.completions.create({ model, messages: question('Hello') })

    await expect(asked).rejects.toBeInstanceOf(error)
    await expect(asked).rejects.toMatchObject(told)
  })

  it('raises an error of the server, not of the caller, when the provider refuses our key', async () => {
    simulated.fail('gemini-2.5-flash', { status: 401 }, { times: 1 })
    const client = await connect(routerFor({ models: { one: modelAt(simulated, { model: 'gemini-2.5-flash' }) } }))

    const asked = client.chat.completions.create({ model: 'one', messages: question('Hello') })

    await expect(asked).rejects.toBeInstanceOf(InternalServerError)
    await expect(asked).rejects.toMatchObject({ status: 502, code: 'provider_auth_failed' })
  })

  it('raises an error when a stream breaks off in the middle, and has what came before', async () => {
    simulated.fail('deepseek-v3.2', 'cut-after-content', { times: 1 })
    const client = await connect(routerFor({ models: { one: modelAt(simulated, { model: 'deepseek-v3.2' }) } }))
    const stream = await client.chat.completions.create({ model: 'one', messages: question('Hello'), stream: true })

    let text = ''
    const reading = (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    })()

    await expect(reading).rejects.toMatchObject({ code: 'stream_interrupted', type: 'upstream_error' })
    expect(text).not.toBe('')
  })

  it('aborts a request, and the upstream with it', async () => {
    const upstream = await upstreamThat(hang())
    const client = await connect(routerOver([upstream]))
    const leaving = new AbortController()

    const asked = client.chat.completions.create(
      { model: 'auto', messages: question('Hello') },
      { signal: leaving.signal },
    )
    asked.catch(() => undefined)
    await eventually(() => upstream.requests.length === 1)
    leaving.abort()

    await expect(asked).rejects.toBeInstanceOf(APIUserAbortError)
    await eventually(() => upstream.openConnections() === 0)
    expect(upstream.requests).toHaveLength(1)
  })

  it('aborts a stream, and the upstream with it', async () => {
    simulated.fail('gpt-4.1', 'stall-after-content', { times: 1 })
    const openBefore = simulated.openRequests()
    const client = await connect(routerOfBoth())

    const stream = await client.chat.completions.create({
      model: 'simulated',
      messages: question('Hello'),
      stream: true,
    })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break

    await eventually(() => simulated.openRequests() === openBefore)
    expect(simulated.requests.at(-1)!.aborted).toBe(true)
  })
})

describeMounts('the official client', (mount) => {
  it('raises a connection error when the host goes away', async () => {
    const upstream = await upstreamThat(hang())
    const { server, url } = await mount.serve(routerOver([upstream]))
    const client = new OpenAI({ baseURL: url, apiKey: 'any', maxRetries: 0 })

    const asked = client.chat.completions.create({ model: 'auto', messages: question('Hello') })
    asked.catch(() => undefined)
    await eventually(() => upstream.requests.length === 1)
    server.closeAllConnections()

    await expect(asked).rejects.toBeInstanceOf(APIConnectionError)
    await eventually(() => upstream.openConnections() === 0)
  })
})
