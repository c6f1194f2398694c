import type { ByteSource } from './byte-source.ts'

/** The head of an HTTP/1.1 request. */
export interface RequestHead {
  /** The bytes up to and including the empty line. */
  rawHead: Buffer
  method: string
  path: string
  httpVersion: string
  /** Names as they were written, in order, repeated ones repeated. */
  headerList: [name: string, value: string][]
  /** Names in lower case; repeated values joined by a comma. */
  headers: Record<string, string>
}

const headLimit = 1 << 20
const lineLimit = 1 << 16

/** Reads a request's head; undefined when the connection ends first. */
export async function readHead(source: ByteSource): Promise<RequestHead | undefined> {
  const rawHead = await source.readThrough('\r\n\r\n', headLimit)
  if (!rawHead) return undefined
  const [requestLine = '', ...lines] = rawHead.toString('latin1').trimEnd().split('\r\n')
  const parts = /^(\S+) (\S+) HTTP\/(\d\.\d)$/.exec(requestLine)
  if (!parts) throw new Error(`no HTTP request: ${JSON.stringify(requestLine.slice(0, 80))}`)
  const headerList = lines.map(readHeader)
  const headers: Record<string, string> = {}
  for (const [name, value] of headerList) {
    const key = name.toLowerCase()
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`
  }
  return { rawHead, method: parts[1]!, path: parts[2]!, httpVersion: parts[3]!, headerList, headers }
}

/** Reads a request's body, by content-length or chunked; says whether it came whole. */
export async function readBody(
  source: ByteSource,
  head: RequestHead,
  onBytes: (bytes: Buffer) => void,
): Promise<boolean> {
  if (/\bchunked\b/i.test(head.headers['transfer-encoding'] ?? '')) return readChunks(source, onBytes)
  return readExactly(source, Number(head.headers['content-length'] ?? 0), onBytes)
}

function readHeader(line: string): [string, string] {
  const colon = line.indexOf(':')
  if (colon <= 0) throw new Error(`no header: ${JSON.stringify(line.slice(0, 80))}`)
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}

async function readExactly(source: ByteSource, length: number, onBytes: (bytes: Buffer) => void): Promise<boolean> {
  let left = length
  while (left > 0) {
    const bytes = await source.readSome(left)
    if (!bytes) return false
    left -= bytes.length
    onBytes(bytes)
  }
  return true
}

async function readChunks(source: ByteSource, onBytes: (bytes: Buffer) => void): Promise<boolean> {
  for (;;) {
    const size = await readLine(source)
    if (size === undefined) return false
    if (!/^[0-9a-f]+/i.test(size)) throw new Error(`no chunk size: ${JSON.stringify(size.slice(0, 80))}`)
    const length = Number.parseInt(size, 16)
    if (length === 0) return readTrailers(source)
    if (!(await readExactly(source, length, onBytes))) return false
    if ((await readLine(source)) !== '') throw new Error('a chunk is longer than its size')
  }
}

async function readTrailers(source: ByteSource): Promise<boolean> {
  let line = await readLine(source)
  while (line) line = await readLine(source)
  return line === ''
}

async function readLine(source: ByteSource): Promise<string | undefined> {
  const line = await source.readThrough('\r\n', lineLimit)
  return line?.subarray(0, -2).toString('latin1')
}
