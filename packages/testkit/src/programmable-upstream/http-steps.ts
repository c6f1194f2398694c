import { STATUS_CODES } from 'node:http'
import { eachWithGap, step, write, type Gap, type Script, type Step } from './steps.ts'

/** Headers by name, or as a list where one name comes twice. */
export type Headers = Record<string, string | number> | readonly (readonly [name: string, value: string | number])[]

export interface ReplyOptions {
  /** @default 200 */
  status?: number
  headers?: Headers
  /** @default empty */
  body?: string | Uint8Array
  /** What `content-length` says, if not the truth. */
  contentLength?: number
}

/** Writes the head of an answer as it is given: no header is added. */
export function head(status: number, headers: Headers = {}): Step {
  return write(headText(status, headers))
}

/**
 * Writes a whole answer with a content-length and leaves the connection open. A `contentLength` above the body's
 * leaves the caller waiting: follow it with `end()` for a body cut short.
 *
 * @example
 * upstream.respond([reply({ body: '{"id"', contentLength: 400 }), end()])
 */
export function reply({ status = 200, headers = {}, body = '', contentLength }: ReplyOptions = {}): Step {
  const bytes = Buffer.from(body as Uint8Array)
  const start = headText(status, [...headerList(headers), ['content-length', contentLength ?? bytes.length]])
  return step(`reply ${status}`, (context) => context.write(Buffer.concat([Buffer.from(start, 'latin1'), bytes])))
}

/** Writes a whole JSON answer. */
export function json(
  body: unknown,
  { status = 200, headers = {} }: Pick<ReplyOptions, 'status' | 'headers'> = {},
): Step {
  const all: Headers = [['content-type', 'application/json'], ...headerList(headers)]
  return reply({ status, headers: all, body: JSON.stringify(body) })
}

/** Writes a web page, as a proxy in front of a provider does. */
export function html(status = 200, title = 'Bad Gateway'): Step {
  const headers = { 'content-type': 'text/html; charset=utf-8' }
  return reply({ status, headers, body: `<!doctype html><title>${title}</title><h1>${title}</h1>` })
}

export function redirect(location: string, status = 307): Step {
  return reply({ status, headers: { location } })
}

/** Writes a 1xx answer, which does not count as the answer: 100 (perhaps unasked) or 103. */
export function informational(status: 100 | 102 | 103 = 103, headers: Headers = {}): Step {
  return write(headText(status, headers))
}

/** Writes one chunk of a body that is sent chunked. Of no bytes it writes nothing, for that would be the last one. */
export function chunk(bytes: string | Uint8Array): Step {
  const buffer = Buffer.from(bytes as Uint8Array)
  if (buffer.length === 0) return write('')
  return write(Buffer.concat([Buffer.from(`${buffer.length.toString(16)}\r\n`), buffer, Buffer.from('\r\n')]))
}

/** Writes each piece as a chunk of its own, with a gap between. */
export function chunkEach(pieces: readonly (string | Uint8Array)[], gap: Gap = {}): Step {
  return eachWithGap('chunk each', pieces.map(chunk), gap)
}

/** Writes the last chunk of a body that is sent chunked; without it the body is cut short. */
export function lastChunk(): Step {
  return write('0\r\n\r\n')
}

/** Writes the beginning of a head and no more. */
export function halfHead(): Step {
  return write('HTTP/1.1 200 OK\r\nContent-Type: applicat')
}

/** Writes what is no HTTP at all. */
export function garbage(): Step {
  return write('SSH-2.0-OpenSSH_9.9\r\n\u0000\u0001\u0002 this is not HTTP\r\n\r\n')
}

/** Writes a whole answer one of whose headers goes on in a second line, as was allowed once. */
export function obsFold(): Step {
  return reply({ headers: { 'x-folded': 'first\r\n second' }, body: '{}' })
}

/** Writes a whole answer one of whose headers has that many bytes. */
export function bigHeader(bytes: number): Step {
  return reply({ headers: { 'x-big': 'a'.repeat(bytes) }, body: '{}' })
}

/** Writes the head of an event stream that is sent chunked. */
export function streamHead(headers: Headers = {}): Step {
  return head(200, [
    ['content-type', 'text/event-stream; charset=utf-8'],
    ['transfer-encoding', 'chunked'],
    ...headerList(headers),
  ])
}

/**
 * Writes a whole event stream, each event a chunk. For a stream that is cut, write its parts:
 * `[streamHead(), chunk(events[0]), reset()]`.
 */
export function stream(events: readonly string[], headers: Headers = {}): Script {
  return [streamHead(headers), ...events.map(chunk), lastChunk()]
}

function headText(status: number, headers: Headers): string {
  const lines = headerList(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n${lines.join('')}\r\n`
}

export function headerList(headers: Headers): (readonly [string, string | number])[] {
  return Array.isArray(headers) ? [...headers] : Object.entries(headers as Record<string, string | number>)
}
