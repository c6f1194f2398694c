import { type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, type Readable, pipeline } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { streamOf } from '../reply.ts'
import type { FaceAnswer } from './contract.ts'
import { readableBody } from './readable.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const chunks = (...parts: readonly string[]) => parts.map((part) => Buffer.from(part))

// oxlint-disable-next-line typescript/require-await -- an iterable that fails
async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('one')
  throw new Error('broken by a plugin')
}

function bodyOf(parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  const cancel = vi.fn<FaceAnswer['cancel']>()
  const answer: FaceAnswer = { status: 200, headers: {}, body: streamOf(parts), cancel }
  const body = readableBody(answer, { dialect: 'openai-chat', answer: () => answer }) as Readable
  return { body, cancel }
}

/** What a client gets of a response that this writes. */
async function served(answer: (res: ServerResponse) => void): Promise<string> {
  const server = createServer((_req, res) => answer(res)).listen(0, '127.0.0.1')
  closers.push(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return (await fetch(`http://127.0.0.1:${port}`)).text()
}

const ignored = () => undefined

describe('a body as a Node stream', () => {
  it('goes into a response by itself, and ends it', async () => {
    const { body } = bodyOf(chunks('one', 'two'))
    const push = vi.spyOn(body, 'push')
    await expect(served((res) => body.pipe(res))).resolves.toBe('onetwo')
    expect(push.mock.calls).toEqual([[null]])
  })

  it('leaves the response open where it is told to', async () => {
    const { body } = bodyOf(chunks('one'))
    const answered = served((res) => {
      body.pipe(res, { end: false })
      body.once('end', () => res.end('more'))
    })
    await expect(answered).resolves.toBe('onemore')
  })

  it('goes through a pipeline of Node', async () => {
    const { body } = bodyOf(chunks('one', 'two'))
    await expect(served((res) => pipeline(body, res, ignored))).resolves.toBe('onetwo')
  })

  it('is shown to those who listen besides', async () => {
    const { body } = bodyOf(chunks('one', 'two'))
    const seen: string[] = []
    const answered = served((res) => {
      body.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
      pipeline(body, res, ignored)
    })
    await expect(answered).resolves.toBe('onetwo')
    expect(seen).toEqual(['one', 'two'])
  })

  it('goes into any other stream', async () => {
    const { body } = bodyOf(chunks('one', 'two'))
    await expect(text(body.pipe(new PassThrough()))).resolves.toBe('onetwo')
  })

  it('tells of what broke it, piped and read alike', async () => {
    const told = /^onedata: \{"error":.*"stream_interrupted"/
    const { body } = bodyOf(broken())
    await expect(served((res) => pipeline(body, res, ignored))).resolves.toMatch(told)
    await expect(text(bodyOf(broken()).body)).resolves.toMatch(told)
  })

  it('is given up when it is destroyed', () => {
    const { body, cancel } = bodyOf(chunks('one'))
    body.destroy()
    expect(cancel).toHaveBeenCalledOnce()
  })
})
