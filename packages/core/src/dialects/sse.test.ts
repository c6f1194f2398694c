import { createParser } from 'eventsource-parser'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SseEvent } from './dialect.ts'
import { SseFramer, parseEvent } from './sse.ts'

/** The events that are whole after these chunks, as bytes. */
function frame(chunks: readonly Uint8Array[], framer = new SseFramer()): Buffer[] {
  const events: Buffer[] = []
  for (const chunk of chunks) framer.push(chunk, (event) => events.push(Buffer.from(event)))
  return events
}

const bytes = (text: string) => Buffer.from(text)
const texts = (chunks: readonly string[]) => frame(chunks.map(bytes)).map(String)
const spoken = (events: readonly Uint8Array[]) => events.map(parseEvent).filter(({ data }) => data !== undefined)

/** What eventsource-parser makes of a text. */
function oracle(text: string): SseEvent[] {
  const events: SseEvent[] = []
  const parser = createParser({
    onEvent: ({ event, data }) => events.push({ ...(event !== undefined && { event }), data }),
  })
  parser.feed(text)
  return events
}

/** Cuts bytes into chunks at these places, taken modulo the length. */
function cutAt(whole: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...new Set(places.map((place) => place % (whole.length + 1)))].toSorted((a, b) => a - b)
  return [...sorted, whole.length].map((end, index) => whole.subarray(index === 0 ? 0 : sorted[index - 1], end))
}

describe('an event', () => {
  it.each([
    ['line feeds', 'data: a\n\n', 'data: b\n\n'],
    ['carriage returns with line feeds', 'data: a\r\n\r\n', 'data: b\r\n\r\n'],
    ['carriage returns', 'data: a\r\r', 'data: b\r\r'],
    ['mixed line ends', 'data: a\n\r\n', 'data: b\r\n\n'],
  ])('ends with an empty line, written with %s', (_what, first, second) => {
    expect(texts([first + second])).toEqual([first, second])
    expect(spoken(frame([bytes(first + second)]))).toEqual([{ data: 'a' }, { data: 'b' }])
  })

  it('is held until it is whole', () => {
    const framer = new SseFramer()
    expect(frame([bytes('data: {"a"'), bytes(':1}\n')], framer)).toEqual([])
    expect(framer.heldBytes).toBe(14)
    expect(frame([bytes('\ndata')], framer).map(String)).toEqual(['data: {"a":1}\n\n'])
    expect(framer.heldBytes).toBe(4)
    expect(Buffer.from(framer.rest()).toString()).toBe('data')
    expect(framer.heldBytes).toBe(0)
  })

  it('is not made of the empty lines that may follow one', () => {
    const framer = new SseFramer()
    expect(spoken(frame([bytes('data: a\n\n\n\n'), bytes('\n'), bytes('\r\n')], framer))).toEqual([{ data: 'a' }])
    expect(framer.rest()).toHaveLength(0)
  })

  it('is not cut in two by a line end that is cut in two', () => {
    expect(spoken(frame([bytes('data: a\r'), bytes('\ndata: b\r'), bytes('\n\r'), bytes('\n')]))).toEqual([
      { data: 'a\nb' },
    ])
  })

  it('keeps characters whole that are cut in two', () => {
    const whole = bytes('data: thế giới 世界 😀\n\n')
    for (let place = 0; place <= whole.length; place++)
      expect(spoken(frame(cutAt(whole, [place])))).toEqual([{ data: 'thế giới 世界 😀' }])
  })

  it('may be a megabyte long and come in single bytes of a chunk', () => {
    const long = `data: ${'x'.repeat(1024 * 1024)}\n\n`
    const pieces = Array.from({ length: 1024 }, (_, index) => bytes(long.slice(index * 1030, (index + 1) * 1030)))
    expect(frame(pieces).map((event) => event.length)).toEqual([long.length])
  })
})

describe('parseEvent', () => {
  it.each<[string, string, SseEvent]>([
    ['data', 'data: x\n\n', { data: 'x' }],
    ['data without a blank', 'data:x\n\n', { data: 'x' }],
    ['data with two blanks', 'data:  x\n\n', { data: ' x' }],
    ['data of several lines', 'data: a\ndata: b\r\ndata:\r\r', { data: 'a\nb\n' }],
    ['data without a colon', 'data\n\n', { data: '' }],
    ['data with colons', 'data: a: b:c\n\n', { data: 'a: b:c' }],
    ['an event with its name', 'event: error\ndata: x\n\n', { event: 'error', data: 'x' }],
    ['a comment', ': ping\n\n', {}],
    ['a comment beside data', ': ping\ndata: x\n\n', { data: 'x' }],
    ['other fields', 'id: 1\nretry: 5\nfoo: bar\n\n', {}],
    ['a byte order mark', '\uFEFFdata: x\n\n', { data: 'x' }],
    ['empty lines before', '\n\ndata: x\n\n', { data: 'x' }],
  ])('reads %s', (_what, text, event) => {
    expect(parseEvent(bytes(text))).toEqual(event)
  })

  it('reads bytes that are no UTF-8 as replacement characters', () => {
    expect(parseEvent(Buffer.concat([bytes('data: a'), Buffer.from([0xff]), bytes('b\n\n')]))).toEqual({
      data: 'a\uFFFDb',
    })
  })

  it('reads bytes that are a part of a larger buffer', () => {
    const whole = bytes('xxdata: a\n\nyy')
    expect(parseEvent(new Uint8Array(whole.buffer, whole.byteOffset + 2, 9))).toEqual({ data: 'a' })
  })
})

const word = fc.string({ unit: fc.constantFrom('a', ' ', ':', '{', '"', 'é', '世', '😀'), maxLength: 8 })
const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
const line = fc.oneof(
  { weight: 5, arbitrary: word.map((value) => `data: ${value}`) },
  word.map((value) => `data:${value}`),
  fc.constant('data'),
  word.map((value) => `: ${value}`),
  fc.constantFrom('event: error', 'event: x', 'id: 7', 'retry: 10', 'nonsense', 'data : x'),
  { weight: 3, arbitrary: fc.constant('') },
)
const stream = fc.array(fc.tuple(line, lineEnd), { maxLength: 40 }).map((lines) => lines.flat().join(''))
const places = fc.array(fc.nat(), { maxLength: 12 })
const anyBytes = fc.oneof(
  stream.map(bytes),
  fc
    .array(fc.oneof(fc.constantFrom(0x0a, 0x0d, 0x3a, 0x20), fc.nat({ max: 255 })), { maxLength: 200 })
    .map((list) => Buffer.from(list)),
)

describe('whatever the bytes', () => {
  it('gives the same events for any chunking as for one chunk', () => {
    fc.assert(
      fc.property(anyBytes, places, (whole, cuts) => {
        expect(frame(cutAt(whole, cuts)).map(parseEvent).filter(notEmpty)).toEqual(
          frame([whole]).map(parseEvent).filter(notEmpty),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('gives the same events for single bytes as for one chunk', () => {
    fc.assert(
      fc.property(anyBytes, (whole) => {
        const single = Array.from(whole, (byte) => Uint8Array.of(byte))
        expect(frame(single).map(parseEvent).filter(notEmpty)).toEqual(frame([whole]).map(parseEvent).filter(notEmpty))
      }),
    )
  })

  it('gives the bytes back as they came: events and what is held make up the whole', () => {
    fc.assert(
      fc.property(anyBytes, places, (whole, cuts) => {
        const framer = new SseFramer()
        const events = frame(cutAt(whole, cuts), framer)
        const given = Buffer.concat([...events, framer.rest()])
        expect(whole.subarray(0, given.length).equals(given)).toBe(true)
        expect(/^[\r\n]*$/.test(whole.subarray(given.length).toString('latin1'))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('reads the same events as eventsource-parser', () => {
    fc.assert(
      fc.property(stream, places, (text, cuts) => {
        const events = spoken(frame(cutAt(bytes(text), cuts))).map(({ event, data }) => ({
          ...(event && { event }),
          data,
        }))
        expect(events).toEqual(oracle(text))
      }),
      { numRuns: 300 },
    )
  })
})

const notEmpty = (event: SseEvent) => event.data !== undefined || event.event !== undefined
