import OpenAI, { RateLimitError } from 'openai'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  chunk,
  chunkEach,
  completion,
  completionBody,
  cut,
  cutsInside,
  errorBody,
  jsonError,
  lastChunk,
  reset,
  sse,
  sseComment,
  startProgrammableUpstream,
  stream,
  streamEvents,
  streamHead,
  type Script,
} from '../index.ts'

const hello = { model: 'gpt-4.1', messages: [{ role: 'user' as const, content: 'hello' }] }

async function callTo(script: Script) {
  const upstream = await startProgrammableUpstream()
  onTestFinished(() => upstream.close())
  upstream.respond(script)
  return new OpenAI({ baseURL: upstream.baseUrl, apiKey: 'k', maxRetries: 0 }).chat.completions
}

async function answerOf(script: Script) {
  return (await callTo(script)).create(hello)
}

async function contentOf(script: Script): Promise<string> {
  const chunks = await (await callTo(script)).create({ ...hello, stream: true })
  let content = ''
  for await (const { choices } of chunks) content += choices[0]?.delta.content ?? ''
  return content
}

describe('the OpenAI client', () => {
  it('reads a completion', async () => {
    const fixture = { content: 'hi', model: 'm', finishReason: 'length' }
    const answer = await (await callTo(completion(fixture))).create(hello)
    expect(answer).toEqual(completionBody(fixture))
    expect(answer.usage).toEqual({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 })
    expect(completionBody({ content: 'hi', usage: false })).not.toHaveProperty('usage')
  })

  it('reads a stream', async () => {
    const events = streamEvents({ content: ['Hel', 'lo'], usage: { total_tokens: 3 } })
    expect(events).toHaveLength(6)
    expect(await contentOf(stream(events))).toBe('Hello')
  })

  it('reads a stream torn apart in every way, with comments and CR LF', async () => {
    const [role, ...rest] = streamEvents({ content: ['chào ', '👋'] })
    const bytes = [role, sseComment('ping'), ...rest].join('').replaceAll('\n', '\r\n')
    const pieces = cut(
      bytes,
      [...cutsInside(bytes, '👋'), ...cutsInside(bytes, '\r\n\r\n')].toSorted((a, b) => a - b),
    )
    expect(await contentOf([streamHead(), chunkEach(pieces), lastChunk()])).toBe('chào 👋')
  })

  it('throws at a stream that is reset, and at an error event', async () => {
    const [role, first] = streamEvents({ content: ['Hel', 'lo'] })
    await expect(contentOf([streamHead(), chunk(role!), chunk(first!), reset()])).rejects.toThrow(
      /terminated|connection/i,
    )
    await expect(contentOf(stream([role!, sse(errorBody({ message: 'broken' }))]))).rejects.toThrow('broken')
  })

  it('throws the right error for a status', async () => {
    await expect(answerOf(jsonError(429, { code: 'rate_limit_exceeded' }))).rejects.toBeInstanceOf(RateLimitError)
    await expect(answerOf(jsonError(400, { param: 'messages' }))).rejects.toMatchObject({
      status: 400,
      param: 'messages',
    })
  })
})

describe('stream events', () => {
  it('leave out what they are told to', () => {
    expect(kindsOf(streamEvents({ content: ['a', 'b'], usage: {} }))).toEqual([
      'role',
      'content',
      'content',
      'finish',
      'usage',
      'done',
    ])
    expect(kindsOf(streamEvents({ content: ['a'], role: false, finishReason: null, done: false }))).toEqual(['content'])
  })

  it('say usage null beside a usage chunk only', () => {
    expect(streamEvents({ content: ['a'], usage: {} })[0]).toContain('"usage":null')
    expect(streamEvents({ content: ['a'] }).join('')).not.toContain('usage')
  })
})

describe('a server-sent event', () => {
  it('is written as told', () => {
    expect(sse({ a: 1 })).toBe('data: {"a":1}\n\n')
    expect(sse('two\nlines', { event: 'error', lineEnd: '\r\n', space: false })).toBe(
      'event:error\r\ndata:two\r\ndata:lines\r\n\r\n',
    )
    expect(sseComment('ping')).toBe(': ping\n\n')
  })
})

const kindsOf = (events: string[]) =>
  events.map((event) => {
    if (event === 'data: [DONE]\n\n') return 'done'
    const { choices, usage } = JSON.parse(event.slice(6)) as {
      choices: [{ delta: object; finish_reason: unknown }?]
      usage?: object
    }
    if (usage && !choices[0]) return 'usage'
    if (choices[0]!.finish_reason) return 'finish'
    return 'role' in choices[0]!.delta ? 'role' : 'content'
  })
