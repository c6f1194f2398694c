import { Agent, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Mounted } from './mounts.ts'

/** A request, as a test words it. */
export interface Sent {
  /** @default 'POST' */
  readonly method?: string
  /** Behind the mount's prefix. @default '/chat/completions' */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** An object goes out as JSON, text and bytes as they are. */
  readonly body?: unknown
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
  /** Whether it ended as HTTP says that it should. */
  readonly complete: boolean
  json(): Json
}

// oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it is the test's to say
type Json = any

/** An answer whose body is still on its way. */
export interface OpenAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly message: IncomingMessage
  /** Waits until the body so far contains the text. */
  until(text: string): Promise<string>
  /** Reads to the end. */
  rest(): Promise<Answer>
  /** Goes away, as a caller does who closes the tab. */
  leave(): void
}

/** Sends a request and reads all of its answer. */
export async function send(to: Mounted, sent: Sent = {}): Promise<Answer> {
  return (await open(to, sent)).rest()
}

/** Sends a request and waits for the head of its answer. */
export function open(to: Mounted, sent: Sent = {}): Promise<OpenAnswer> {
  return begin(to, sent).answered
}

/** Sends a request, and gives the means to leave before any answer. */
export function begin(to: Mounted, { method = 'POST', path = '/chat/completions', headers, body }: Sent = {}) {
  const agent = new Agent({ keepAlive: true })
  const bytes = bytesOf(body)
  const type = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }
  const req = request({ port: to.port, path: to.prefix + path, method, agent, headers: { ...type, ...headers } })
  const answered = new Promise<OpenAnswer>((resolve, reject) => {
    req.on('error', reject)
    req.on('response', (message) => resolve(openAnswer(message, () => agent.destroy())))
  })
  answered.catch(() => undefined)
  req.end(bytes)
  return {
    answered,
    leave() {
      req.destroy()
      agent.destroy()
    },
  }
}

function openAnswer(message: IncomingMessage, letGo: () => void): OpenAnswer {
  const chunks: Buffer[] = []
  let wake = nothing
  const read = () => {
    if (message.listenerCount('data') > 0) return
    message.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      wake()
    })
    for (const event of ['end', 'close', 'error']) message.on(event, () => wake())
    message.resume()
  }
  const until = async (holds: () => boolean) => {
    read()
    while (!holds() && !message.closed && !message.readableEnded)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
  }
  const text = () => Buffer.concat(chunks).toString()
  const { statusCode: status = 0, headers } = message
  return {
    status,
    headers,
    message,
    async until(wanted) {
      await until(() => text().includes(wanted))
      return text()
    },
    async rest() {
      await until(() => false)
      letGo()
      const body = Buffer.concat(chunks)
      return { status, headers, body, text: text(), complete: message.complete, json: () => JSON.parse(text()) }
    },
    leave() {
      message.destroy()
      letGo()
    },
  }
}

const nothing = () => {}

function bytesOf(body: unknown): Buffer {
  if (body === undefined) return Buffer.alloc(0)
  return Buffer.from(body instanceof Uint8Array || typeof body === 'string' ? (body as string) : JSON.stringify(body))
}

/** Writes bytes on a socket as they are and reads until the server ends it, or the text has come. */
export function sendRaw({ port }: Mounted, bytes: string | readonly string[], until?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let read = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      read += chunk
      if (until !== undefined && read.includes(until)) socket.destroy()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(read))
    for (const piece of [bytes].flat()) socket.write(piece, 'latin1')
  })
}

/** A chat request, as short as can be. */
export const chat = (extra: object = {}) => ({
  model: 'auto',
  messages: [{ role: 'user', content: 'Say something.' }],
  ...extra,
})

/** The `data` of each event in the text of a stream. */
export function eventsOf(text: string): string[] {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice('data: '.length))
}

/** What the chunks of a stream say, joined. */
export function contentOf(text: string): string {
  return eventsOf(text)
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data).choices?.[0]?.delta?.content ?? '')
    .join('')
}

/** Everything an iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
