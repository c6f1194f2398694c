import { type FakeClock, createFakeClock } from '@signalbox/testkit'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createOverdue } from './overdue.ts'
import { type MadeBy, ownReply } from './plugin-reply.ts'
import { plainReply, readBody, streamOf, streamReply } from '../reply.ts'
import type { ByteStream, Ended, Reply, Sink } from '../types.ts'

let clock: FakeClock
let by: MadeBy
let warnings: string[]

beforeEach(() => {
  clock = createFakeClock()
  warnings = []
  const warn = (message: string) => void warnings.push(message)
  by = { plugin: 'p', deadline: clock.now() + 5_000, overdue: createOverdue(clock), warn }
})

const head = { status: 200, headers: {}, dialect: 'openai-chat', model: 'a' } as const
const plain = () => plainReply({ ...head, body: Buffer.from('one') })
const chunks = [Buffer.from('one'), Buffer.from('two')]

describe('how a reply of a plugin ends', () => {
  const cut = expect.objectContaining({ how: 'cut', estimated: true })

  it('is what the plugin says', async () => {
    const given = plain()
    const ended = given.ended.then((how) => ({ ...how, estimated: true }))
    const own = ownReply({ ...given, ended }, [given], by)
    await expect(own.ended).resolves.toMatchObject({ how: 'complete', estimated: true })
    await clock.advance(60_000)
    expect(warnings).toEqual([])
  })

  it.each([
    ['rejects', () => Promise.reject<Ended>(new Error('the store is down')), 'rejected: the store is down'],
    ['is no end', () => Promise.resolve(5 as unknown as Ended), 'gave no end, but a number'],
  ])('is a cut where what it says %s, and the operator is told', async (_what, end, told) => {
    const own = ownReply({ ...plain(), ended: end() }, [], by)
    await expect(own.ended).resolves.toEqual(cut)
    expect(warnings).toEqual([`The plugin "p" made a reply whose "ended" ${told}`])
  })

  it.each([
    [NaN, 0],
    [-5, 0],
    [1e300, 0],
    [undefined, 0],
    [2.5, 3],
  ])('is told in counts, also where the plugin gives %s of them', async (inputTokens, counted) => {
    const given = plain()
    const { usage } = await given.ended
    const odd = { ...usage, inputTokens, outputTokens: 7, longCacheWriteTokens: NaN } as Ended['usage']
    const own = ownReply({ ...given, ended: given.ended.then((how) => ({ ...how, usage: odd })) }, [given], by)
    await expect(own.ended).resolves.toEqual({
      how: 'complete',
      usage: { ...usage, inputTokens: counted, outputTokens: 7, longCacheWriteTokens: 0, faults: ['not_a_count'] },
      estimated: true,
    })
    expect(warnings).toEqual([expect.stringContaining('gave a usage whose counts are no whole numbers')])
  })

  it("is a cut where it says nothing by the call's deadline", async () => {
    const own = ownReply({ ...plain(), ended: new Promise(() => undefined) }, [], by)
    await clock.advance(6_000)
    await expect(own.ended).resolves.toEqual(cut)
    expect(warnings).toEqual([expect.stringContaining('did not settle')])
  })
})

describe('a stream of a plugin', () => {
  const streaming = (body: ByteStream, rest: Partial<Reply> = {}) =>
    ownReply({ ...streamReply({ ...head, body }), ...rest }, [], by)

  it('is the stream that it was, and is read once', async () => {
    const seen: string[] = []
    const { body } = streaming(streamOf(chunks))
    ;(body as ByteStream).tap((piece) => seen.push(piece.toString()))
    expect((body as ByteStream).isTaken).toBe(false)
    expect((await readBody({ body })).toString()).toBe('onetwo')
    expect((body as ByteStream).isTaken).toBe(true)
    expect(seen).toEqual(['one', 'two'])
    await expect(readBody({ body })).rejects.toThrow('has a reader already')
  })

  it('waits for a sink that is full, and no longer once it is given up', async () => {
    const written: string[] = []
    let drain: (() => void) | undefined
    const sink: Sink = {
      write: (piece) => (written.push(Buffer.from(piece).toString()), false),
      once: (_event, listener) => (drain = listener),
    }
    const closed = vi.fn<() => void>()
    async function* held() {
      try {
        yield* chunks
        yield Buffer.from('three')
      } finally {
        closed()
      }
    }
    const cancel = vi.fn<Reply['cancel']>(() => {
      throw new Error('cannot')
    })
    const own = streaming(streamOf(held()), { cancel })
    const done = (own.body as ByteStream).to(sink)
    await clock.settle()
    expect(written).toEqual(['one'])
    drain!()
    await clock.settle()
    expect(written).toEqual(['one', 'two'])
    own.cancel('left')
    await done
    expect(written).toEqual(['one', 'two'])
    expect(cancel).toHaveBeenCalledWith('left')
    expect(closed).toHaveBeenCalledTimes(1)
  })

  it('names the plugin where it gives no bytes', async () => {
    const { body } = streaming(streamOf(['text'] as unknown as Uint8Array[]))
    const thrown: unknown = await readBody({ body }).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ code: 'plugin_failed', plugin: 'p' })
    expect((thrown as Error).cause).toMatchObject({ message: 'a stream is made of bytes, got a string' })
  })
})
