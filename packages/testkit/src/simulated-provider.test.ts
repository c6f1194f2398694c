import OpenAI from 'openai'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFakeClock } from './fake-clock.ts'
import {
  drawLatencyMs,
  referenceModels,
  seededRandom,
  startSimulatedProvider,
  type SimulatedProviderOptions,
} from './index.ts'

const hello = { model: 'gpt-4.1', messages: [{ role: 'user' as const, content: 'What is a circuit breaker?' }] }

async function start(options: SimulatedProviderOptions = {}) {
  const provider = await startSimulatedProvider(options)
  onTestFinished(() => provider.close())
  const client = new OpenAI({ baseURL: provider.baseUrl, apiKey: 'sk-any', maxRetries: 0 })
  const post = (body: unknown, headers: Record<string, string> = { authorization: 'Bearer sk-any' }) =>
    fetch(`${provider.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return { provider, client, post }
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}

async function eventsOf(response: Response) {
  const lines = (await response.text()).split('\n\n')
  expect(lines.pop()).toBe('')
  return lines.map((line) => {
    expect(line.startsWith('data: ')).toBe(true)
    return line === 'data: [DONE]' ? '[DONE]' : JSON.parse(line.slice(6))
  })
}

describe('a plain answer', () => {
  it('names the model, has usage that adds up, and satisfies the official client', async () => {
    const { client } = await start()
    const { data, request_id: requestId } = await client.chat.completions.create(hello).withResponse()
    expect(data).toMatchObject({ object: 'chat.completion', model: 'gpt-4.1', service_tier: 'default' })
    expect(data.id).toMatch(/^chatcmpl-\w{29}$/)
    expect(data.system_fingerprint).toMatch(/^fp_\w{10}$/)
    expect(requestId).toMatch(/^req_[0-9a-f]{32}$/)
    expect(data.choices).toHaveLength(1)
    expect(data.choices[0]).toMatchObject({ index: 0, finish_reason: 'stop', logprobs: null })
    expect(data.choices[0]!.message.content).toContain('gpt-4.1')
    const usage = data.usage!
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens)
    expect(usage.prompt_tokens_details).toEqual({ cached_tokens: 0, audio_tokens: 0 })
    expect(usage.completion_tokens_details).toMatchObject({ reasoning_tokens: 0 })
  })

  it.each([
    ['What is 17 * 23?', '17 × 23 = 391.'],
    ['1,000 plus 2.5 times 4', '1,000 + 2.5 × 4 = 1010.'],
    ['12 cộng 30 bằng bao nhiêu?', '12 + 30 = 42.'],
    ['What is the capital of Vietnam?', 'The capital of Vietnam is Hanoi.'],
    ['Thủ đô của Pháp là gì?', 'Thủ đô của Pháp là Paris.'],
    ['Write a TypeScript function that groups items', '```ts'],
    ['Tóm tắt: trời hôm nay đẹp', 'Tóm lại: trời hôm nay đẹp'],
    ['Hello!', /^H(ello|i)/],
  ])('to %j makes sense', async (content, expected) => {
    const { client } = await start()
    const answer = await client.chat.completions.create({ ...hello, messages: [{ role: 'user', content }] })
    expect(answer.choices[0]!.message.content).toMatch(expected)
  })

  it('says what the answer option says', async () => {
    const { client } = await start({ answer: ({ model, prompt }) => `${model} heard ${prompt}` })
    const answer = await client.chat.completions.create(hello)
    expect(answer.choices[0]!.message.content).toBe('gpt-4.1 heard What is a circuit breaker?')
  })

  it('says what the answer option throws', async () => {
    const answer = () => {
      throw new TypeError('no such prompt')
    }
    const { provider, post } = await start({ answer })
    for (const stream of [false, true]) {
      const response = await post({ ...hello, stream })
      expect(response.status).toBe(500)
      expect(await response.text()).toContain('The simulated provider failed: TypeError: no such prompt')
    }
    expect(provider.requests.map(({ status }) => status)).toEqual([500, 500])
  })

  it('respects n, stop, max_tokens and logprobs', async () => {
    const { client } = await start({ answer: () => 'one two three four' })
    const short = await client.chat.completions.create({ ...hello, n: 3, max_tokens: 2, logprobs: true })
    expect(short.choices.map(({ index, message, finish_reason: how }) => [index, message.content, how])).toEqual([
      [0, 'one two', 'length'],
      [1, 'one two', 'length'],
      [2, 'one two', 'length'],
    ])
    expect(short.usage!.completion_tokens).toBe(6)
    expect(short.choices[0]!.logprobs!.content!.map(({ token }) => token)).toEqual(['one', ' two'])
    const stopped = await client.chat.completions.create({ ...hello, stop: ['four', ' three'] })
    expect(stopped.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'one two' } })
  })

  it('counts a long prompt that comes again as cached', async () => {
    const { client } = await start()
    const long = { ...hello, messages: [{ role: 'user' as const, content: 'lorem ipsum '.repeat(1_000) }] }
    const first = await client.chat.completions.create(long)
    const again = await client.chat.completions.create(long)
    const elsewhere = await client.chat.completions.create({ ...long, model: 'deepseek-v3.2' })
    const cached = [first, again, elsewhere].map(({ usage }) => usage!.prompt_tokens_details!.cached_tokens)
    expect(cached).toEqual([0, Math.floor(first.usage!.prompt_tokens / 128) * 128, 0])
  })
})

describe('a streamed answer', () => {
  it('has a role chunk, content chunks, a finish chunk and [DONE], and no usage', async () => {
    const { post } = await start({ answer: () => 'Xin chào 👋 bạn' })
    const response = await post({ ...hello, stream: true })
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const events = await eventsOf(response)
    expect(events.at(-1)).toBe('[DONE]')
    const chunks = events.slice(0, -1)
    expect(chunks[0].choices[0].delta).toEqual({ role: 'assistant', content: '', refusal: null })
    expect(chunks.at(-1).choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' })
    const content = chunks.slice(1, -1).map((chunk) => chunk.choices[0].delta.content)
    expect(content.length).toBeGreaterThan(2)
    expect(content.join('')).toBe('Xin chào 👋 bạn')
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(chunks.every((chunk) => chunk.object === 'chat.completion.chunk' && !('usage' in chunk))).toBe(true)
  })

  it('ends with a usage chunk without choices when asked, usage null on the others', async () => {
    const { post } = await start()
    const events = await eventsOf(await post({ ...hello, stream: true, stream_options: { include_usage: true } }))
    const usageChunk = events.at(-2)
    expect(usageChunk.choices).toEqual([])
    expect(usageChunk.usage.total_tokens).toBe(usageChunk.usage.prompt_tokens + usageChunk.usage.completion_tokens)
    expect(events.slice(0, -2).every(({ usage }) => usage === null)).toBe(true)
  })

  it('says the same as the plain answer of an equal seed', async () => {
    const [one, other] = [await start({ seed: 9 }), await start({ seed: 9 })]
    const plain = await one.client.chat.completions.create({ ...hello, n: 2, max_tokens: 4 })
    const chunks = await collect(
      await other.client.chat.completions.create({ ...hello, n: 2, max_tokens: 4, stream: true }),
    )
    for (const { index, message, finish_reason: finishReason } of plain.choices) {
      const mine = chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index)
      expect(mine.map(({ delta }) => delta.content ?? '').join('')).toBe(message.content)
      expect(mine.at(-1)!.finish_reason).toBe(finishReason)
    }
    expect(chunks.slice(0, 2).map(({ choices }) => choices[0]!.index)).toEqual([0, 1])
  })

  it('is understood by the official client as a whole', async () => {
    const { client } = await start()
    const stream = client.chat.completions.stream({ ...hello, stream_options: { include_usage: true } })
    const whole = await stream.finalChatCompletion()
    expect(whole.choices[0]!.message.content).toContain('gpt-4.1')
    expect(whole.usage!.completion_tokens).toBeGreaterThan(0)
  })
})

describe('a refusal', () => {
  it.each([
    [{ messages: [] }, 'you must provide a model parameter', null, null],
    [{ model: 'gpt-4.1' }, "Missing required parameter: 'messages'.", 'messages', 'missing_required_parameter'],
    [{ ...hello, messages: 'hi' }, 'expected an array of objects, but got a string', 'messages', 'invalid_type'],
    [{ ...hello, messages: [] }, 'empty array', 'messages', 'empty_array'],
    [
      { ...hello, messages: [{ role: 'cat', content: '' }] },
      "Invalid value: 'cat'",
      'messages[0].role',
      'invalid_value',
    ],
    [{ ...hello, messages: [{ role: 'user', content: null }] }, 'but got null', 'messages[0].content', 'invalid_type'],
    [{ ...hello, temperature: 3 }, 'Expected a value <= 2, but got 3', 'temperature', 'decimal_above_max_value'],
    [{ ...hello, n: 0 }, 'Expected a value >= 1, but got 0', 'n', 'integer_below_min_value'],
    [{ ...hello, max_tokens: 200_000 }, 'maximum context length is 128000', 'messages', 'context_length_exceeded'],
    [{ ...hello, stream_options: {} }, "only allowed when 'stream' is enabled", 'stream_options', null],
    ['{"model":', 'could not parse the JSON body', null, null],
  ])('of %j says what is wrong in OpenAI words', async (body, message, param, code) => {
    const { post } = await start()
    const response = await post(body)
    expect(response.status).toBe(400)
    const { error } = (await response.json()) as { error: Record<string, unknown> }
    expect(error).toEqual({ message: expect.stringContaining(message), type: 'invalid_request_error', param, code })
  })

  it('is 404 for an unknown model and path, 405 for a wrong method', async () => {
    const { provider, client } = await start()
    const unknown = client.chat.completions.create({ ...hello, model: 'gpt-9' })
    await expect(unknown).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    await expect(client.embeddings.create({ model: 'x', input: 'y' })).rejects.toMatchObject({ status: 404 })
    const headers = { authorization: 'Bearer k' }
    const wrongMethod = await fetch(`${provider.baseUrl}/chat/completions`, { headers })
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'POST'])
  })

  it('is 401 without a key, and with a key that is not on the list', async () => {
    const { provider, post } = await start({ apiKeys: ['sk-right-key-0123456789'] })
    expect((await post(hello, {})).status).toBe(401)
    const wrong = await post(hello, { authorization: 'Bearer sk-wrong-key-0123456789' })
    const text = await wrong.text()
    expect([wrong.status, JSON.parse(text).error.code]).toEqual([401, 'invalid_api_key'])
    expect(text).not.toContain('sk-wrong-key-0123456789')
    expect((await post(hello, { authorization: 'Bearer sk-right-key-0123456789' })).status).toBe(200)
    expect(provider.requests.map(({ status }) => status)).toEqual([401, 401, 200])
  })
})

describe('models', () => {
  it('are listed and shown one by one', async () => {
    const { client } = await start()
    const listed = await collect(client.models.list())
    expect(listed.map(({ id }) => id)).toEqual(referenceModels.map(({ name }) => name))
    expect((await client.models.retrieve('deepseek-v3.2')).object).toBe('model')
    await expect(client.models.retrieve('gpt-9')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
  })
})

describe('chance and time', () => {
  it('repeat for a seed whatever the order of requests, and differ for another', async () => {
    const clock = createFakeClock()
    const prompts = Array.from({ length: 8 }, (_, index) => ({
      ...hello,
      messages: [{ role: 'user' as const, content: `How ${index}?` }],
    }))
    const run = async (seed: number, requests: typeof prompts) => {
      const { client } = await start({ seed, clock })
      const answers = await Promise.all(requests.map((request) => client.chat.completions.create(request)))
      return requests
        .map(({ messages }, index) => `${messages[0]!.content} ${JSON.stringify(answers[index])}`)
        .toSorted()
    }
    const first = await run(5, prompts)
    expect(await run(5, prompts.toReversed())).toEqual(first)
    expect(await run(6, prompts)).not.toEqual(first)
  })

  it('draw latencies that have the model its median and 99th percentile', () => {
    const random = seededRandom(11)
    const drawn = Array.from({ length: 20_000 }, () => drawLatencyMs(referenceModels[1]!, random)).toSorted(
      (a, b) => a - b,
    )
    expect(Math.abs(drawn[10_000]! / 950 - 1)).toBeLessThan(0.03)
    expect(Math.abs(drawn[19_800]! / 2_400 - 1)).toBeLessThan(0.06)
  })

  it('fail as often as the uptime says, when outages are on', async () => {
    const models = referenceModels.map((model) => ({ ...model, uptime: 0.5 }))
    const { post, provider } = await start({ models, outages: true })
    const statuses: number[] = []
    for (let index = 0; index < 200; index += 1) {
      const response = await post({ ...hello, user: String(index) })
      await response.arrayBuffer()
      statuses.push(response.status)
    }
    const down = statuses.filter((status) => status === 503).length
    expect(down).toBeGreaterThan(70)
    expect(down).toBeLessThan(130)
    expect(provider.requests.filter(({ fault }) => fault === 'outage')).toHaveLength(down)
  })

  it('take as long as the latency scale says, the first token after two fifths', async () => {
    const clock = createFakeClock()
    const models = [{ ...referenceModels[0]!, latencyMs: { p50: 1_000, p99: 1_000 } }]
    const { post, provider } = await start({ models, clock, latencyScale: 0.5, answer: () => 'a b c d' })
    const whole = post(hello)
    const stream = post({ ...hello, stream: true })
    await until(() => clock.pendingTimers() === 2)
    await clock.advance(199)
    expect(provider.requests.map(({ started }) => started)).toEqual([false, false])
    await clock.advance(1)
    const body = (await stream).body!.getReader()
    await clock.advance(299)
    expect(provider.requests.filter(({ ended }) => ended)).toHaveLength(1)
    await clock.advance(1)
    expect((await whole).status).toBe(200)
    while (!(await body.read()).done);
  })
})

async function until(condition: () => boolean) {
  for (let turn = 0; turn < 2_000 && !condition(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
  expect(condition()).toBe(true)
}
