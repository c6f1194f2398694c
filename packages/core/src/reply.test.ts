/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { describe, expect, it, vi } from 'vitest'
import { bytesOf, plainReply, readBody, streamOf, streamReply } from './reply.ts'
import type { Ended, Sink } from './types.ts'

const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const
const bytes = (text: string) => Buffer.from(text)

/** A source that notes how far it was read, and whether it was given up. */
function source(...texts: string[]) {
  const noted = { pulled: 0, closed: false }
  async function* chunks() {
    try {
      for (const text of texts) {
        noted.pulled++
        yield bytes(text)
      }
    } finally {
      noted.closed = true
    }
  }
  return { chunks: chunks(), noted }
}

describe('a plain reply', () => {
  it('ends complete without usage unless told otherwise', async () => {
    const reply = plainReply({ ...head, body: bytes('x') })
    expect(await reply.ended).toMatchObject({
      how: 'complete',
      estimated: false,
      usage: { inputTokens: 0, outputTokens: 0 },
    })
    expect(() => reply.cancel()).not.toThrow()
  })

  it('works out how it ended once', async () => {
    const ended = vi.fn<() => Ended>(() => ({
      how: 'complete',
      usage: { inputTokens: 1, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 2, reasoningTokens: 0 },
      estimated: true,
    }))
    const reply = plainReply({ ...head, body: bytes('x'), ended })
    const first = await reply.ended
    expect(await reply.ended).toBe(first)
    expect(ended).toHaveBeenCalledTimes(1)
  })
})

describe('a streamed reply', () => {
  it('ends complete unless told otherwise, and cancels through what it was given', async () => {
    const cancel = vi.fn<(reason?: unknown) => void>()
    const reply = streamReply({ ...head, body: streamOf([bytes('x')]), cancel })
    expect((await reply.ended).how).toBe('complete')
    reply.cancel('why')
    expect(cancel).toHaveBeenCalledWith('why')
  })
})

describe('readBody', () => {
  it('gives the body of a plain reply as it is, and all of a streamed one', async () => {
    const body = bytes('plain')
    expect(await readBody({ body })).toBe(body)
    expect(Buffer.from(await readBody({ body: streamOf([bytes('a'), bytes('b')]) })).toString()).toBe('ab')
    expect(await readBody({ body: streamOf([]) })).toHaveLength(0)
  })
})

describe('bytesOf', () => {
  it('joins chunks, and does not copy a single one', () => {
    const one = bytes('one')
    expect(bytesOf([one])).toBe(one)
    expect(Buffer.from(bytesOf([one, bytes('two')])).toString()).toBe('onetwo')
    expect(bytesOf([])).toHaveLength(0)
  })
})

describe('streamOf', () => {
  it('gives the chunks of any iterable', async () => {
    expect(Buffer.from(await readBody({ body: streamOf(new Set([bytes('a'), bytes('b')])) })).toString()).toBe('ab')
    expect(Buffer.from(await readBody({ body: streamOf(source('a', 'b').chunks) })).toString()).toBe('ab')
  })

  it('has one reader', async () => {
    const stream = streamOf([bytes('a')])
    await readBody({ body: stream })
    await expect(readBody({ body: stream })).rejects.toThrow('has a reader already')
    await expect(stream.to({ write: () => true, once: () => undefined })).rejects.toThrow('has a reader already')
  })

  it('takes no more from its source than its reader takes, and gives it up with the reader', async () => {
    const { chunks, noted } = source('a', 'b', 'c')
    for await (const chunk of streamOf(chunks)) if (chunk) break
    expect(noted).toEqual({ pulled: 1, closed: true })
  })

  it('waits for a full sink to drain', async () => {
    const { chunks, noted } = source('a', 'b')
    let drain: (() => void) | undefined
    const sink: Sink = { write: () => false, once: (_event, listener) => (drain = listener) }
    const written = streamOf(chunks).to(sink)
    await new Promise((resolve) => setImmediate(resolve))
    expect(noted.pulled).toBe(1)
    drain!()
    await new Promise((resolve) => setImmediate(resolve))
    expect(noted.pulled).toBe(2)
    drain!()
    await written
  })

  it('hands on the failure of its source', async () => {
    async function* broken() {
      yield bytes('a')
      throw new Error('the source broke')
    }
    await expect(readBody({ body: streamOf(broken()) })).rejects.toThrow('the source broke')
  })

  it('shows every chunk to every observer, whatever one throws, and then that all has passed', async () => {
    const stream = streamOf([bytes('a'), bytes('b')])
    const seen: string[] = []
    stream.tap(() => {
      throw new Error('broken')
    })
    stream.tap(
      (chunk) => seen.push(Buffer.from(chunk).toString()),
      () => seen.push('end'),
    )
    await readBody({ body: stream })
    expect(seen).toEqual(['a', 'b', 'end'])
  })

  it('does not say that all has passed when the reader leaves early or the source breaks', async () => {
    const onEnd = vi.fn<() => void>()
    const left = streamOf([bytes('a'), bytes('b')])
    left.tap(() => undefined, onEnd)
    for await (const chunk of left) if (chunk) break
    const broken = streamOf(
      (async function* () {
        yield bytes('a')
        throw new Error('broken')
      })(),
    )
    broken.tap(() => undefined, onEnd)
    await readBody({ body: broken }).catch(() => undefined)
    expect(onEnd).not.toHaveBeenCalled()
  })
})
