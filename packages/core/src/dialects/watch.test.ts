import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { Dialect } from './dialect.ts'
import { openaiChat } from './openai-chat/index.ts'
import { defaultMaxEventBytes } from './sse.ts'
import { StreamWatch, type WatchOptions, type WatchedStream } from './watch.ts'

const bytes = (text: string) => Buffer.from(text)
const sse = (value: unknown) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`
const chunk = (delta: object, finish: string | null = null, rest: object = {}) =>
  sse({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }], ...rest })

const role = chunk({ role: 'assistant', content: '' })
const hello = chunk({ content: 'hello' })
const finish = chunk({}, 'stop')
const usageBody = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }
const usageOnly = sse({ id: 'c', object: 'chat.completion.chunk', choices: [], usage: usageBody })
const done = sse('[DONE]')
const error = sse({ error: { message: 'overloaded', type: 'server_error', code: 'server_is_overloaded' } })

function watching(
  { redact = (event) => event, ...options }: Partial<WatchOptions & WatchedStream> = {},
  dialect: Dialect = openaiChat,
) {
  const onMalformed = vi.fn<() => void>()
  const watch = new StreamWatch(dialect, { redact, onMalformed }, { stripUsage: true, ...options })
  const out: Uint8Array[] = []
  const push = (text: string | Uint8Array) => {
    const given = watch.push(typeof text === 'string' ? bytes(text) : text)
    if (given) out.push(given)
    return given && Buffer.from(given).toString()
  }
  return { watch, push, onMalformed, text: () => Buffer.concat(out).toString() }
}

describe('a watched stream', () => {
  it('hands on chunks of whole events as they are, without a copy', () => {
    const { watch } = watching()
    for (const text of [role, hello, hello, hello + hello, finish, done]) {
      const given = bytes(text)
      expect(watch.push(given)!.buffer).toBe(given.buffer)
      expect(watch.push(bytes(''))).toBeUndefined()
    }
  })

  it('is committed by the first content, and not by a role, a comment or a ping', () => {
    const { watch, push } = watching()
    for (const text of [': ping\n\n', role, sse({ choices: [] }), 'event: x\n\n']) push(text)
    expect(watch.committed).toBe(false)
    push(hello)
    expect(watch.committed).toBe(true)
  })

  it.each([
    ['reasoning', chunk({ reasoning_content: 'hm' })],
    ['reasoning by its other name', chunk({ reasoning: 'hm' })],
    ['a tool call', chunk({ tool_calls: [{ index: 0, id: 't', function: { name: 'f', arguments: '' } }] })],
    ['a refusal', chunk({ refusal: 'no' })],
    ['an empty answer that finishes', finish],
  ])('is committed by %s', (_what, text) => {
    const { watch, push } = watching()
    push(text)
    expect(watch.committed).toBe(true)
  })

  it('knows when the answer is finished, and when the last word was said', () => {
    const { watch, push } = watching()
    push(hello)
    expect([watch.finished, watch.done]).toEqual([false, false])
    push(finish)
    expect([watch.finished, watch.done]).toEqual([true, false])
    push(done)
    expect([watch.finished, watch.done]).toEqual([true, true])
  })

  it('is finished when all the choices are that were asked for', () => {
    const of = (index: number, reason: string | null) =>
      sse({ choices: [{ index, delta: { content: 'a' }, finish_reason: reason }] })
    const { watch, push } = watching({ choices: 3 })
    for (const text of [of(0, null), of(1, null), of(1, 'stop'), of(1, 'stop'), of(2, 'length')]) push(text)
    expect(watch.finished).toBe(false)
    push(of(0, 'stop'))
    expect(watch.finished).toBe(true)
  })

  it('takes what is told of usage for all of it only when every choice is finished', () => {
    const { watch, push } = watching({ choices: 2 })
    push(chunk({ content: 'a' }, 'stop', { usage: usageBody }))
    expect([watch.usageIsFinal, watch.finished]).toEqual([false, false])
    push(sse({ choices: [{ index: 1, delta: {}, finish_reason: 'stop' }], usage: usageBody }))
    expect([watch.usageIsFinal, watch.finished]).toEqual([true, true])
  })

  it('does not take an empty finish reason for the end', () => {
    const { watch, push } = watching()
    push(chunk({ content: 'a' }, ''))
    expect(watch.finished).toBe(false)
  })

  it('counts the length of the text', () => {
    const { watch, push } = watching()
    push(role)
    push(chunk({ content: 'twelve chars' }))
    push(chunk({ content: 'twelve chars' }))
    push(chunk({ content: 'four' }) + chunk({ content: 'four' }))
    expect(watch.textLength).toBe(32)
  })
})

describe('usage', () => {
  it('is read, and the event of it taken out where the caller did not ask for it', () => {
    const { watch, push, text } = watching()
    for (const one of [role, hello, finish, usageOnly, done]) push(one)
    expect(watch.usage).toMatchObject({ inputTokens: 7, outputTokens: 3 })
    expect(text()).toBe(role + hello + finish + done)
  })

  it('is taken out of the middle of a chunk, and nothing else is', () => {
    const { push } = watching()
    expect(push(role + hello + finish + usageOnly + done)).toBe(role + hello + finish + done)
    expect(push(usageOnly)).toBeUndefined()
  })

  it('stays where the caller asked for it', () => {
    const { watch, push } = watching({ stripUsage: false })
    const all = role + hello + finish + usageOnly + done
    expect(push(all)).toBe(all)
    expect(watch.usage).toMatchObject({ inputTokens: 7 })
  })

  it('stays where it stands beside content, or is null', () => {
    const { watch, push } = watching()
    const withNull = chunk({ content: 'a' }, null, { usage: null })
    const finishing = chunk({}, 'stop', { usage: usageBody })
    expect(push(withNull)).toBe(withNull)
    expect(push(withNull)).toBe(withNull)
    expect(watch.usage).toBeUndefined()
    expect(push(finishing)).toBe(finishing)
    expect(watch.usage).toMatchObject({ outputTokens: 3 })
  })
})

describe('an event that cannot be read', () => {
  it('before any content ends the watch, and goes nowhere', () => {
    const { watch, push, onMalformed } = watching()
    push(role)
    expect(push('data: {broken\n\n')).toBeUndefined()
    expect(watch.malformed).toBe(true)
    expect(push(hello)).toBeUndefined()
    expect(onMalformed).not.toHaveBeenCalled()
  })

  it('after content is handed on as it came, and told', () => {
    const { watch, push, onMalformed, text } = watching()
    const broken = 'data: {broken\n\n'
    for (const one of [hello, broken, hello, finish, done]) push(one)
    expect(text()).toBe(hello + broken + hello + finish + done)
    expect(onMalformed).toHaveBeenCalledTimes(1)
    expect([watch.malformed, watch.finished, watch.done]).toEqual([false, true, true])
  })
})

describe('an error event', () => {
  it('is known, and the last that is handed on', () => {
    const { watch, push, text } = watching()
    push(hello)
    push(error + hello)
    push(done)
    expect(watch.error).toEqual({ message: 'overloaded', type: 'server_error', code: 'server_is_overloaded' })
    expect(text()).toBe(hello + error)
    expect([watch.finished, watch.done]).toEqual([false, false])
  })

  it('is handed on without secrets, in a chunk of its own or not', () => {
    const alone = watching({ redact: () => bytes('clean') })
    expect(alone.push(error)).toBe('clean')
    const among = watching({ redact: () => bytes('clean') })
    expect(among.push(role + hello + error)).toBe(`${role + hello}clean`)
  })

  it('may be named by its event alone', () => {
    const { watch, push } = watching()
    push('event: error\ndata: {"message":"x"}\n\n')
    expect(watch.error).toBeDefined()
  })

  it('does not commit', () => {
    const { watch, push } = watching()
    push(role + error)
    expect(watch.committed).toBe(false)
  })
})

describe('an event that is not whole', () => {
  it('is held back, and handed on with its rest in one piece', () => {
    const { push } = watching()
    push(role)
    expect(push(hello.slice(0, 20))).toBeUndefined()
    expect(push(hello.slice(20))).toBe(hello)
    expect(push(hello + hello.slice(0, 9))).toBe(hello)
    expect(push(hello.slice(9) + finish)).toBe(hello + finish)
  })

  it('is dropped at the end where it cannot be read', () => {
    const { watch, push } = watching()
    push(hello)
    push(hello.slice(0, 30))
    expect(watch.end()).toBeUndefined()
    expect(watch.finished).toBe(false)
  })

  it('is handed on at the end, and closed, where it lacks only its empty line', () => {
    for (const missing of [1, 2]) {
      const { watch, push } = watching()
      push(hello)
      push(finish.slice(0, -missing))
      expect(Buffer.from(watch.end()!).toString().trimEnd()).toBe(finish.trimEnd())
      expect(watch.finished).toBe(true)
    }
  })

  it('is the last where it is the terminal one: what a provider says after it is no part of the answer', () => {
    const { push } = watching()
    expect(push(hello + finish + done + done + hello)).toBe(hello + finish + done)
    expect(push(usageOnly)).toBeUndefined()
  })

  it('is known as the terminal event at the end', () => {
    const { watch, push } = watching()
    push(hello + finish)
    push('data: [DONE]')
    expect(Buffer.from(watch.end()!).toString()).toBe(done)
    expect(watch.done).toBe(true)
  })

  it('is not a comment at the end', () => {
    const { watch, push } = watching()
    push(hello)
    push(': ping')
    expect(watch.end()).toBeUndefined()
  })

  it('may grow to the limit, by default 8 MiB, and no further', () => {
    const { watch, push } = watching({ maxEventBytes: 100 })
    push(hello)
    push(`data: ${'x'.repeat(94)}`)
    expect(watch.tooLarge).toBe(false)
    push('x')
    expect(watch.tooLarge).toBe(true)
    expect(push(`\n\n${hello}`)).toBeUndefined()

    const usual = watching()
    usual.push(hello)
    usual.push(Buffer.alloc(defaultMaxEventBytes, 'x'))
    expect(usual.watch.tooLarge).toBe(false)
    usual.push('x')
    expect(usual.watch.tooLarge).toBe(true)
  })
})

const letters = fc.string({ unit: fc.constantFrom('a', 'b', ' ', ',', '}'), maxLength: 6 })
const delta = fc.oneof(
  fc.constant({ role: 'assistant', content: '' }),
  letters.map((content) => ({ content })),
  letters.map((reasoning_content) => ({ reasoning_content })),
  letters.map((args) => ({ tool_calls: [{ index: 0, function: { arguments: args } }] })),
  fc.constant({}),
)
const event = fc.oneof(
  { weight: 8, arbitrary: delta.map((one) => chunk(one)) },
  { weight: 3, arbitrary: delta.map((one) => chunk(one, null, { usage: null })) },
  delta.map((one) => chunk(one, 'stop')),
  delta.map((one) => chunk(one, null, { usage: usageBody })),
  fc.constantFrom(usageOnly, done, ': ping\n\n', ': ping\n', '\n', 'data: {broken\n\n', 'id: 1\n\n', 'data:\n\n'),
  { weight: 1, arbitrary: fc.constant(error) },
  delta.map((one) => chunk(one).replaceAll('\n', '\r\n')),
  delta.map((one) => `: comment\n${chunk(one)}`),
)
const cuts = fc.array(fc.nat(), { maxLength: 10 })
const streams = fc.tuple(
  fc.array(event, { maxLength: 25 }).map((events) => bytes(events.join(''))),
  cuts,
  fc.boolean(),
)

function cutAt(whole: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...new Set(places.map((place) => place % (whole.length + 1)))].toSorted((a, b) => a - b)
  return [...sorted, whole.length].map((end, index) => whole.subarray(index === 0 ? 0 : sorted[index - 1], end))
}

/** Chunks as a provider sends them: mostly one event each. */
const byEvent = (whole: Uint8Array) =>
  (
    Buffer.from(whole)
      .toString()
      .match(/[^]*?\n\n/g) ?? []
  ).map(bytes)

function outcome(chunks: readonly Uint8Array[], stripUsage: boolean, dialect: Dialect = openaiChat) {
  const { watch, push, onMalformed, text } = watching({ stripUsage }, dialect)
  for (const one of chunks) push(one)
  const rest = watch.end()
  const { committed, finished, done: isDone, usage, error: told, malformed, tooLarge } = watch
  return {
    // The second half of a line end that is cut in two says nothing where it is the last byte of all.
    text: (text() + (rest ? Buffer.from(rest).toString() : '')).trimEnd(),
    state: { committed, finished, done: isDone, usage, error: told, malformed, tooLarge },
    warnings: onMalformed.mock.calls.length,
  }
}

const slow: Dialect = { ...openaiChat, isDelta: () => false }

describe('whatever the stream', () => {
  it('hands on the same bytes and knows the same for any chunking', () => {
    fc.assert(
      fc.property(streams, ([whole, places, strip]) => {
        expect(outcome(cutAt(whole, places), strip)).toEqual(outcome([whole], strip))
      }),
      { numRuns: 250 },
    )
  })

  it('hands on the same bytes and knows the same on the fast path and on the slow one', () => {
    fc.assert(
      fc.property(streams, ([whole, places, strip]) => {
        expect(outcome(cutAt(whole, places), strip)).toEqual(outcome(cutAt(whole, places), strip, slow))
        expect(outcome(byEvent(whole), strip)).toEqual(outcome(byEvent(whole), strip, slow))
      }),
      { numRuns: 150 },
    )
  })

  it('hands on every byte of a stream without usage and errors', () => {
    const plain = fc
      .array(
        delta.map((one) => chunk(one)),
        { minLength: 1, maxLength: 20 },
      )
      .map((events) => bytes([hello, ...events, finish, done].join('')))
    fc.assert(
      fc.property(plain, cuts, (whole, places) => {
        expect(outcome(cutAt(whole, places), true).text).toBe(Buffer.from(whole).toString().trimEnd())
      }),
    )
  })

  it('is not troubled by any bytes at all', () => {
    const anyBytes = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(anyBytes, cuts, fc.boolean(), (whole, places, strip) => {
        expect(() => outcome(cutAt(whole, places), strip)).not.toThrow()
      }),
    )
  })
})
