import { connect } from 'node:net'
import OpenAI from 'openai'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFakeClock } from '../fake-clock.ts'
import { startSimulatedProvider, type SimulatedProviderOptions } from '../simulated-provider.ts'

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

describe('a fault', () => {
  it('comes as often as asked, the model its own before those of all', async () => {
    const { provider, client, post } = await start()
    provider.fail('*', { status: 500 }, { times: 1 })
    provider.fail('gpt-4.1', { status: 429, headers: { 'retry-after': '7' } }, { times: 1 })
    const limited = await post(hello)
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
    expect(await limited.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } })
    expect((await post(hello)).status).toBe(500)
    expect((await client.chat.completions.create(hello)).choices).toHaveLength(1)
  })

  it('lasts until it is healed, and touches no other model', async () => {
    const { provider, client, post } = await start()
    provider.fail('gpt-4.1', { status: 503, body: { error: { message: 'own words' } } })
    expect(await (await post(hello)).json()).toEqual({ error: { message: 'own words' } })
    expect((await post({ ...hello, model: 'deepseek-v3.2' })).status).toBe(200)
    provider.heal('gpt-4.1')
    expect((await post(hello)).status).toBe(200)
    provider.fail('*', { status: 500 })
    await expect(client.models.list()).rejects.toMatchObject({ status: 500 })
    provider.heal()
    expect(await collect(client.models.list())).toHaveLength(4)
  })

  it.each([
    [false, 'reset', ''],
    [true, 'reset', ''],
    [false, 'cut-before-content', 'head'],
    [true, 'cut-before-content', 'role'],
    [false, 'cut-after-content', 'half'],
    [true, 'cut-after-content', 'content'],
    [false, 'end-before-content', 'head'],
    [false, 'end-after-content', 'half'],
  ] as const)('breaks the connection (stream %s, %s)', async (stream, fault, expected) => {
    const { provider } = await start()
    provider.fail('gpt-4.1', fault)
    const { text, error } = await rawPost(provider.baseUrl, { ...hello, stream })
    const got = [
      text.includes('HTTP/1.1 200') && 'head',
      text.includes('"role":"assistant"') && 'role',
      /"content":"[^"]/.test(text) && 'content',
    ].filter(Boolean)
    const all = {
      '': [],
      head: ['head'],
      role: ['head', 'role'],
      content: ['head', 'role', 'content'],
      half: ['head', 'role', 'content'],
    }
    expect(got).toEqual(all[expected])
    expect(text).not.toContain('[DONE]')
    expect(text).not.toContain('finish_reason":"stop')
    expect(error).toBe(fault.startsWith('end') ? undefined : 'ECONNRESET')
    await until(() => provider.openRequests() === 0)
    expect(provider.requests[0]).toMatchObject({ fault, aborted: false, ended: false })
  })

  it.each([
    ['end-before-content', ['role']],
    ['end-after-content', ['role', 'content']],
    ['error-before-content', ['role', 'error']],
    ['error-after-content', ['role', 'content', 'error']],
  ] as const)('ends a stream in an orderly way without [DONE] (%s)', async (fault, expected) => {
    const { provider, post } = await start()
    provider.fail('*', fault)
    const events = await eventsOf(await post({ ...hello, stream: true }))
    const kinds = events.map((event) => (event.error ? 'error' : event.choices[0].delta.role ? 'role' : 'content'))
    expect([...new Set(kinds)]).toEqual(expected)
  })

  it.each([
    ['html', 'text/html; charset=utf-8', /<h1>/],
    ['empty', 'application/json', /^$/],
    ['malformed', 'application/json', /^\{"id":[^}]*$/],
    ['error-before-content', 'application/json', /^\{"error":/],
  ] as const)('gives a 200 that is no answer (%s)', async (fault, type, pattern) => {
    const { provider, post } = await start()
    provider.fail('gpt-4.1', fault)
    const response = await post(hello)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type])
    expect(await response.text()).toMatch(pattern)
  })

  it.each([
    [false, 'hang'],
    [true, 'stall-before-content'],
    [true, 'stall-after-content'],
    [false, 'stall-after-content'],
  ] as const)('keeps silent until the caller leaves (stream %s, %s)', async (stream, fault) => {
    const { provider } = await start()
    provider.fail('gpt-4.1', fault)
    const caller = rawPost(provider.baseUrl, { ...hello, stream })
    await until(() => provider.requests[0]?.started === (fault !== 'hang') && provider.requests[0]?.model !== undefined)
    expect(provider.openRequests()).toBe(1)
    caller.socket.destroy()
    await until(() => provider.openRequests() === 0)
    expect(provider.requests[0]).toMatchObject({ aborted: true, ended: false })
  })

  it('delays an answer by what it says', async () => {
    const clock = createFakeClock()
    const { provider, post } = await start({ clock })
    provider.fail('*', { delayMs: 60_000 })
    const answer = post(hello)
    await until(() => clock.pendingTimers() === 1)
    await clock.advance(60_000)
    expect((await answer).status).toBe(200)
    expect(provider.requests[0]!.endedAtMs! - provider.requests[0]!.startedAtMs).toBe(60_000)
  })
})

describe('the journal', () => {
  it('has what was sent, byte for byte, and how it ended', async () => {
    const { provider, post } = await start()
    const body = '{ "model":"gpt-4.1", "messages":[{"role":"user","content":"héllo"}], "big": 12345678901234567890 }'
    await (await post(body, { authorization: 'Bearer a', 'x-mine': 'yes' })).arrayBuffer()
    await until(() => provider.openRequests() === 0)
    expect(provider.requests).toHaveLength(1)
    const [entry] = provider.requests
    expect(entry!.bytes.toString()).toBe(body)
    expect(entry).toMatchObject({
      method: 'POST',
      path: '/v1/chat/completions',
      model: 'gpt-4.1',
      headers: { 'x-mine': 'yes' },
      body: { messages: [{ content: 'héllo' }] },
      status: 200,
      started: true,
      ended: true,
      aborted: false,
      fault: undefined,
    })
  })

  it('keeps the latest requests up to its limit', async () => {
    const { provider, post } = await start({ journalLimit: 2 })
    for (const user of ['a', 'b', 'c']) await (await post({ ...hello, user })).arrayBuffer()
    expect(provider.requests.map(({ body }) => (body as { user: string }).user)).toEqual(['b', 'c'])
  })

  it('sees a caller that goes away in mid-stream, and the timers go with it', async () => {
    const clock = createFakeClock()
    const { provider, client } = await start({ latencyScale: 1, clock })
    const streaming = client.chat.completions.create({ ...hello, stream: true })
    await until(() => clock.pendingTimers() === 1)
    await clock.advance(900)
    ;(await streaming).controller.abort()
    await until(() => provider.openRequests() === 0)
    expect(provider.requests[0]).toMatchObject({ started: true, ended: false, aborted: true })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('closes with requests and sockets open, at once', async () => {
    const { provider } = await start()
    provider.fail('*', 'hang')
    const callers = [rawPost(provider.baseUrl, hello), rawPost(provider.baseUrl, hello)]
    await until(() => provider.openRequests() === 2)
    expect(provider.openSockets()).toBe(2)
    await provider.close()
    await Promise.all(callers)
    expect([provider.openRequests(), provider.openSockets()]).toEqual([0, 0])
  })
})

function rawPost(baseUrl: string, body: unknown) {
  const { hostname, port } = new URL(baseUrl)
  const text = JSON.stringify(body)
  const socket = connect(Number(port), hostname)
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`
  socket.write(head + text)
  const result = new Promise<{ text: string; error: string | undefined }>((resolve) => {
    let received = ''
    let error: string | undefined
    socket.on('data', (bytes) => (received += bytes.toString()))
    socket.on('error', (cause: NodeJS.ErrnoException) => (error = cause.code))
    socket.on('close', () => resolve({ text: received, error }))
  })
  return Object.assign(result, { socket })
}

async function until(condition: () => boolean) {
  for (let turn = 0; turn < 2_000 && !condition(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
  expect(condition()).toBe(true)
}

it('refuses a fault that there is none of, and one for no times', async () => {
  const { provider } = await start()
  const none = ['cut-off', 503, null, {}, { code: 503 }, { status: 99 }, { status: '503' }, { delayMs: -1 }]
  for (const fault of none)
    expect(() => provider.fail('gpt-4.1', fault as never)).toThrow(
      new TypeError(`there is no fault ${JSON.stringify(fault)}`),
    )
  expect(() => provider.fail('gpt-4.1', 'reset', { times: 0 })).toThrow(
    new RangeError('times must be 1 or more, got 0'),
  )
})

it('refuses to make a model fail, or to heal one, that it does not have', async () => {
  const { provider } = await start()
  const error = new TypeError(
    'there is no model "gpt-4", expected one of gpt-4.1, claude-sonnet-4.5, gemini-2.5-flash, deepseek-v3.2 or *',
  )
  expect(() => provider.fail('gpt-4', 'hang')).toThrow(error)
  expect(() => provider.heal('gpt-4')).toThrow(error)
})
