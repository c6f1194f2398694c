import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { type Flow, PushStream } from './stream.ts'
import type { Sink } from './types.ts'

const bytes = (text: string) => Buffer.from(text)
const big = (length: number) => Buffer.alloc(length, 'x')
const highWater = 64 * 1024
const settle = () => new Promise((resolve) => setImmediate(resolve))

function flow() {
  return {
    pause: vi.fn<Flow['pause']>(),
    resume: vi.fn<Flow['resume']>(),
    cancel: vi.fn<Flow['cancel']>(),
  }
}

/** A sink with room for so many chunks until it drains. */
function createSink(room = Infinity) {
  const chunks: Uint8Array[] = []
  const listeners: (() => void)[] = []
  let left = room
  const sink: Sink = {
    write(chunk) {
      chunks.push(chunk)
      return --left > 0
    },
    once: (_event, listener) => listeners.push(listener),
  }
  const drain = () => {
    left = room
    for (const listener of listeners.splice(0)) listener()
  }
  return { sink, drain, listeners, text: () => Buffer.concat(chunks).toString() }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('a stream that is iterated', () => {
  it('gives what was pushed before and during the reading, in order', async () => {
    const stream = new PushStream(flow())
    stream.push(bytes('a'))
    const read = collect(stream)
    await settle()
    stream.push(bytes('b'))
    stream.push(bytes('c'))
    await settle()
    stream.push(bytes('d'))
    stream.end()
    await expect(read).resolves.toBe('abcd')
  })

  it('ends at once where nothing was pushed', async () => {
    const stream = new PushStream(flow())
    stream.end()
    await expect(collect(stream)).resolves.toBe('')
  })

  it('takes nothing after its end', async () => {
    const stream = new PushStream(flow())
    stream.push(bytes('a'))
    stream.end()
    stream.push(bytes('b'))
    await expect(collect(stream)).resolves.toBe('a')
  })

  it('tells its source when the reader stops early, and not when it reads to the end', async () => {
    const early = flow()
    const stream = new PushStream(early)
    stream.push(bytes('a'))
    stream.push(bytes('b'))
    for await (const chunk of stream) if (chunk) break
    expect(early.cancel).toHaveBeenCalledTimes(1)

    const whole = flow()
    const other = new PushStream(whole)
    other.push(bytes('a'))
    other.end()
    await collect(other)
    expect(whole.cancel).not.toHaveBeenCalled()
  })

  it('tells its source when the reader throws', async () => {
    const source = flow()
    const stream = new PushStream(source)
    stream.push(bytes('a'))
    const reading = async () => {
      for await (const chunk of stream) if (chunk) throw new Error('the reader broke')
    }
    await expect(reading()).rejects.toThrow('the reader broke')
    expect(source.cancel).toHaveBeenCalledTimes(1)
  })

  it('asks its source to hold above the high-water mark, and to go on when all is read', async () => {
    const source = flow()
    const stream = new PushStream(source)
    stream.push(big(highWater))
    expect(source.pause).not.toHaveBeenCalled()
    stream.push(big(1))
    stream.push(big(1))
    expect(source.pause).toHaveBeenCalledTimes(1)
    expect(stream.isPaused).toBe(true)
    const chunks = stream[Symbol.asyncIterator]()
    await chunks.next()
    await chunks.next()
    expect(source.resume).not.toHaveBeenCalled()
    await chunks.next()
    expect(source.resume).toHaveBeenCalledTimes(1)
    expect(stream.isPaused).toBe(false)
  })

  it('does not ask a source to go on that has ended', async () => {
    const source = flow()
    const stream = new PushStream(source)
    stream.push(big(highWater + 1))
    stream.end()
    await collect(stream)
    expect(source.resume).not.toHaveBeenCalled()
  })
})

describe('a stream that is written to a sink', () => {
  it('writes what waited and what comes, and settles at the end without ending the sink', async () => {
    const { sink, text } = createSink()
    const stream = new PushStream(flow())
    stream.push(bytes('a'))
    const written = stream.to(sink)
    expect(text()).toBe('a')
    stream.push(bytes('b'))
    expect(text()).toBe('ab')
    stream.end()
    await written
    expect(text()).toBe('ab')
  })

  it('settles where it was over before', async () => {
    const { sink, text } = createSink()
    const stream = new PushStream(flow())
    stream.push(bytes('a'))
    stream.end()
    await stream.to(sink)
    expect(text()).toBe('a')
  })

  it('asks its source to hold while the sink is full, with one listener at a time', async () => {
    const source = flow()
    const { sink, drain, listeners } = createSink(1)
    const stream = new PushStream(source)
    void stream.to(sink)
    stream.push(bytes('a'))
    stream.push(bytes('b'))
    expect(source.pause).toHaveBeenCalledTimes(1)
    expect(listeners).toHaveLength(1)
    drain()
    expect(source.resume).toHaveBeenCalledTimes(1)
    stream.push(bytes('c'))
    expect(source.pause).toHaveBeenCalledTimes(2)
    expect(listeners).toHaveLength(1)
  })

  it('goes on after a drain where more had waited than the high-water mark and the sink took it without room', async () => {
    const source = flow()
    const { sink, drain } = createSink(1)
    const stream = new PushStream(source)
    stream.push(big(highWater + 1))
    expect(stream.isPaused).toBe(true)
    void stream.to(sink)
    expect(source.resume).not.toHaveBeenCalled()
    drain()
    expect(source.resume).toHaveBeenCalledTimes(1)
    expect(stream.isPaused).toBe(false)
  })

  it('goes on at once where the sink had room for all that waited', () => {
    const source = flow()
    const stream = new PushStream(source)
    stream.push(big(highWater + 1))
    void stream.to(createSink().sink)
    expect(source.resume).toHaveBeenCalledTimes(1)
  })

  it('loses and doubles nothing, however pushing and draining are mixed', async () => {
    const step = fc.oneof(
      fc.constant('drain' as const),
      fc.constant('attach' as const),
      fc.integer({ min: 1, max: highWater }).map((length) => ({ length })),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), async (steps, room) => {
        const source = flow()
        const { sink, drain, text } = createSink(room)
        const stream = new PushStream(source)
        let written: Promise<void> | undefined
        let pushed = ''
        for (const [index, one] of steps.entries()) {
          if (one === 'drain') drain()
          else if (one === 'attach') written ??= stream.to(sink)
          else {
            const letter = String.fromCharCode(97 + (index % 26))
            pushed += letter.repeat(one.length)
            stream.push(Buffer.alloc(one.length, letter))
          }
        }
        written ??= stream.to(sink)
        drain()
        expect(stream.isPaused).toBe(false)
        expect(source.resume).toHaveBeenCalledTimes(source.pause.mock.calls.length)
        stream.end()
        await written
        expect(text() === pushed).toBe(true)
      }),
    )
  })
})

describe('a stream that is tapped', () => {
  it('shows the observer what waits, and every chunk that comes, read or not', () => {
    const stream = new PushStream(flow())
    const seen: string[] = []
    stream.push(bytes('a'))
    stream.tap((chunk) => seen.push(Buffer.from(chunk).toString()))
    stream.push(bytes('b'))
    void stream.to(createSink().sink)
    stream.push(bytes('c'))
    stream.end()
    stream.push(bytes('d'))
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  it('shows every observer the same', () => {
    const stream = new PushStream(flow())
    const seen: string[] = []
    stream.tap(() => seen.push('first'))
    stream.tap(() => seen.push('second'))
    stream.push(bytes('a'))
    expect(seen).toEqual(['first', 'second'])
  })

  it('is not harmed by an observer that throws', async () => {
    const stream = new PushStream(flow())
    stream.push(bytes('a'))
    stream.tap(() => {
      throw new Error('broken')
    })
    stream.push(bytes('b'))
    stream.end()
    await expect(collect(stream)).resolves.toBe('ab')
  })

  it('tells an observer when all has passed, at once where it is over', () => {
    const stream = new PushStream(flow())
    const ends: string[] = []
    stream.tap(
      () => undefined,
      () => ends.push('before'),
    )
    stream.push(bytes('a'))
    expect(ends).toEqual([])
    stream.end()
    stream.end()
    expect(ends).toEqual(['before'])
    stream.tap(
      () => undefined,
      () => ends.push('after'),
    )
    expect(ends).toEqual(['before', 'after'])
  })
})

describe('a second reader', () => {
  it('is refused, whichever way each reads', async () => {
    const iterated = new PushStream(flow())
    iterated.end()
    await collect(iterated)
    await expect(collect(iterated)).rejects.toThrow('has a reader already')
    await expect(iterated.to(createSink().sink)).rejects.toThrow('has a reader already')

    const written = new PushStream(flow())
    void written.to(createSink().sink)
    await expect(collect(written)).rejects.toThrow('has a reader already')
    await expect(written.to(createSink().sink)).rejects.toThrow('has a reader already')
  })

  it('does not disturb the first', async () => {
    const source = flow()
    const stream = new PushStream(source)
    const { sink, text } = createSink()
    const written = stream.to(sink)
    await collect(stream).catch(() => undefined)
    stream.push(bytes('a'))
    stream.end()
    await written
    expect(text()).toBe('a')
    expect(source.cancel).not.toHaveBeenCalled()
  })
})
