import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFakeClock } from '../fake-clock.ts'
import {
  bigHeader,
  bomb,
  chunk,
  chunkEach,
  compressed,
  cut,
  cutsInside,
  drip,
  end,
  garbage,
  halfHead,
  head,
  html,
  informational,
  json,
  jsonError,
  lastChunk,
  obsFold,
  redirect,
  reply,
  startProgrammableUpstream,
  streamHead,
  write,
  writeEach,
  type ProgrammableUpstreamOptions,
  type Script,
} from '../index.ts'

/** The bytes that a raw caller gets, and the packets in which they came. */
async function bytesOf(script: Script, options: ProgrammableUpstreamOptions = {}) {
  const upstream = await startProgrammableUpstream(options)
  onTestFinished(() => upstream.close())
  upstream.respond([script, end()])
  const packets: Buffer[] = []
  await new Promise((resolve) => {
    const socket = connect(upstream.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    socket.on('data', (bytes) => packets.push(bytes))
    socket.on('close', resolve)
  })
  expect(upstream.errors).toEqual([])
  return { packets, bytes: Buffer.concat(packets), text: Buffer.concat(packets).toString() }
}

const fetchFrom = async (script: Script) => {
  const upstream = await startProgrammableUpstream()
  onTestFinished(() => upstream.close())
  upstream.respond(script)
  return fetch(upstream.baseUrl, { redirect: 'manual' })
}

describe('what is written', () => {
  it.each<[string, Script, string]>([
    [
      'head',
      head(599, [
        ['a', 1],
        ['a', 2],
      ]),
      'HTTP/1.1 599 Unknown\r\na: 1\r\na: 2\r\n\r\n',
    ],
    ['reply', reply({ headers: { b: 'c' }, body: 'é' }), 'HTTP/1.1 200 OK\r\nb: c\r\ncontent-length: 2\r\n\r\né'],
    ['a wrong length', reply({ body: 'ab', contentLength: 9 }), 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab'],
    ['chunks', [chunk('0123456789abcdef'), chunk('é'), lastChunk()], '10\r\n0123456789abcdef\r\n2\r\né\r\n0\r\n\r\n'],
    ['early hints', informational(103, { link: '<x>' }), 'HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n'],
    ['continue', informational(100), 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['half a head', halfHead(), 'HTTP/1.1 200 OK\r\nContent-Type: applicat'],
    ['a folded header', obsFold(), 'HTTP/1.1 200 OK\r\nx-folded: first\r\n second\r\ncontent-length: 2\r\n\r\n{}'],
    ['bytes', [write(Buffer.of(104)), write('i')], 'hi'],
  ])('is exact (%s)', async (_name, script, expected) => {
    expect((await bytesOf(script)).text).toBe(expected)
  })

  it('is no HTTP where garbage is asked for, and has a header as big as asked for', async () => {
    expect((await bytesOf(garbage())).text).not.toContain('HTTP/1')
    expect((await bytesOf(bigHeader(70_000))).text).toContain(`x-big: ${'a'.repeat(70_000)}\r\n`)
  })

  it('arrives in the pieces that it was cut into', async () => {
    const text = 'data: chào 👋\r\n\r\n'
    const pieces = cut(text, [...cutsInside(text, '👋'), ...cutsInside(text, '\r\n')])
    const { packets } = await bytesOf(writeEach(pieces))
    expect(Buffer.concat(packets).toString()).toBe(text)
    expect(packets.map((bytes) => bytes.length)).toEqual(pieces.map((bytes) => bytes.length))
  })

  it('may be cut across chunks', async () => {
    const text = 'é'
    const { text: sent } = await bytesOf([streamHead(), chunkEach(cut(text, cutsInside(text, 'é'))), lastChunk()])
    expect(sent).toMatch(/transfer-encoding: chunked\r\n\r\n1\r\n.\r\n1\r\n.\r\n0\r\n\r\n$/s)
  })

  it('drips by the clock', async () => {
    const clock = createFakeClock()
    const sent = bytesOf(drip('slow', { everyMs: 1_000 }), { clock })
    for (let gap = 1; gap < 4; gap += 1) {
      while (clock.pendingTimers() === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      await clock.advance(1_000)
    }
    expect([(await sent).packets.length, clock.now()]).toEqual([4, 3_000])
  })
})

describe('cut', () => {
  it('gives back the bytes whole, and ignores offsets outside', () => {
    expect(cut('abcdef', { every: 4 }).map(String)).toEqual(['abcd', 'ef'])
    expect(cut('abc', [0, 1, 99]).map(String)).toEqual(['a', 'bc'])
    expect(cut('', { every: 1 }).map(String)).toEqual([''])
    expect(cutsInside('é-é', 'é')).toEqual([1, 4])
    expect(() => cut('abc', { every: 0 })).toThrow('1 byte or more, got 0')
  })

  it('gives all bytes once, in whatever order and however often its offsets come', () => {
    expect(cut('abcdef', [4, 2, 4]).map(String)).toEqual(['ab', 'cd', 'ef'])
  })

  it('refuses to look for nothing', () => {
    expect(() => cutsInside('abc', '')).toThrow('got an empty text')
  })
})

describe('an answer', () => {
  it('of each kind is understood by fetch', async () => {
    const page = await fetchFrom(html(502))
    expect([page.status, page.headers.get('content-type')]).toEqual([502, 'text/html; charset=utf-8'])
    expect(await page.text()).toContain('<h1>Bad Gateway</h1>')
    const moved = await fetchFrom(redirect('http://elsewhere.invalid/'))
    expect([moved.status, moved.headers.get('location')]).toEqual([307, 'http://elsewhere.invalid/'])
    expect(await (await fetchFrom([informational(103, { link: '<x>' }), json({ a: 1 })])).json()).toEqual({ a: 1 })
    const error = await fetchFrom(
      jsonError(429, { type: 'requests', code: 'rate_limit_exceeded' }, { 'retry-after': 1 }),
    )
    expect([error.status, error.headers.get('retry-after')]).toEqual([429, '1'])
    expect(await error.json()).toEqual({
      error: { message: 'Simulated error', type: 'requests', param: null, code: 'rate_limit_exceeded' },
    })
  })

  it.each(['gzip', 'br', 'deflate'] as const)('compressed by %s is decoded by fetch', async (encoding) => {
    const answer = await fetchFrom(compressed(encoding, { body: '{"hello":"chào"}' }))
    expect(answer.headers.get('content-encoding')).toBe(encoding)
    expect(await answer.json()).toEqual({ hello: 'chào' })
  })

  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
    ['deflate', inflateSync],
  ] as const)('that is a %s bomb is small on the wire and large behind it', async (encoding, decompress) => {
    const { bytes } = await bytesOf(bomb(encoding, 8 << 20))
    expect(bytes.length).toBeLessThan((8 << 20) / 100)
    const body = decompress(unchunk(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)))
    expect((JSON.parse(body.toString()) as { id: string }).id).toHaveLength(8 << 20)
  })
})

describe('the steps', () => {
  it('are exported from the index', async () => {
    const exported = Object.keys(await import('../index.ts'))
    for (const file of ['steps', 'http-steps', 'compression', 'openai-fixtures']) {
      const path = fileURLToPath(new URL(`${file}.ts`, import.meta.url))
      const names = Object.keys((await import(path)) as object).filter(
        (name) => !['eachWithGap', 'headerList'].includes(name),
      )
      expect(exported).toEqual(expect.arrayContaining(names))
    }
  })
})

function unchunk(bytes: Buffer): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    if (!size) return Buffer.concat(pieces)
    pieces.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}
