import * as zlib from 'node:zlib'
import { chunk, head, headerList, lastChunk, reply, type ReplyOptions } from './http-steps.ts'
import { step, type Step } from './steps.ts'

export type Encoding = 'gzip' | 'br' | 'deflate'

/** At the default quality a bomb takes seconds to make. */
const quickBrotli = (bytes: Uint8Array | string) =>
  zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } })

const compress = { gzip: zlib.gzipSync, br: quickBrotli, deflate: zlib.deflateSync }
const compressor = { gzip: zlib.createGzip, br: zlib.createBrotliCompress, deflate: zlib.createDeflate }

/** Writes a whole answer with its body compressed and a `content-encoding` that says so. */
export function compressed(encoding: Encoding, { headers = {}, body = '', ...rest }: ReplyOptions): Step {
  const all = [...headerList(headers), ['content-encoding', encoding] as const]
  return reply({ ...rest, headers: all, body: compress[encoding](body) })
}

const blockBytes = 1 << 20

/**
 * Writes an answer of `decodedBytes` bytes (rounded up to 1 MiB) that compresses to almost nothing: a JSON object
 * with one long string. Made as it is sent, so that its size costs no memory.
 */
export function bomb(encoding: Encoding, decodedBytes: number): Step {
  return step(`${encoding} bomb`, async (context) => {
    const pipe = compressor[encoding]()
    const block = Buffer.alloc(blockBytes, 'a')
    await context.run(
      head(200, { 'content-type': 'application/json', 'content-encoding': encoding, 'transfer-encoding': 'chunked' }),
    )
    pipe.write('{"id":"')
    let left = Math.ceil(decodedBytes / blockBytes)
    feed()
    for await (const bytes of pipe) {
      if (context.closed.aborted) break
      await context.run(chunk(bytes as Buffer))
    }
    await context.run(lastChunk())

    function feed() {
      left -= 1
      if (left < 0 || context.closed.aborted) pipe.end('"}')
      else pipe.write(block, feed)
    }
  })
}
