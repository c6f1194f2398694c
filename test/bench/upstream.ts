import { type Socket, createServer } from 'node:net'

/**
 * A fast provider of chat completions on raw sockets: `node upstream.ts PORT BROKEN_PORT`. The second port answers every
 * request with 503. Each chunk of a stream carries the time at which it was sent, in nanoseconds of the monotonic clock
 * that all processes of a machine share. Its parent sets it by messages, and gets its counts back as the answer.
 */

/** How streams go. */
export interface UpstreamSettings {
  /** Content chunks of a stream. */
  readonly chunks: number
  /** Milliseconds between two chunks; 0 is one for each turn of the event loop. */
  readonly gapMs: number
}

/** What the upstream saw since it was last set. */
export interface UpstreamCounts {
  requests: number
  openStreams: number
  mostOpenStreams: number
}

let settings: UpstreamSettings = { chunks: 20, gapMs: 0 }
const counts: UpstreamCounts = { requests: 0, openStreams: 0, mostOpenStreams: 0 }

process.on('message', (wanted: UpstreamSettings) => {
  process.send!({ ...counts })
  settings = wanted
  counts.requests = 0
  counts.mostOpenStreams = counts.openStreams
})
process.on('disconnect', () => process.exit())

const frame = (event: string) => `${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`
const common = '"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1760000000,"model":"bench-model"'
const choice = (delta: string, finish: string) =>
  `data: {${common},"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}]}\n\n`

const completion = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_760_000_000,
  model: 'bench-model',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'The quick brown fox jumps over the lazy dog near the river bank while the sun sets. '.repeat(7),
        refusal: null,
        annotations: [],
      },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: 190,
    completion_tokens: 120,
    total_tokens: 310,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  },
  service_tier: 'default',
  system_fingerprint: 'fp_bench',
})
const refusal = '{"error":{"message":"The server is overloaded","type":"server_error","param":null,"code":null}}'

const plainAnswer = Buffer.from(head('200 OK', 'application/json', completion.length) + completion)
const brokenAnswer = Buffer.from(head('503 Service Unavailable', 'application/json', refusal.length) + refusal)
const streamOpening = Buffer.from(
  head('200 OK', 'text/event-stream; charset=utf-8') + frame(choice('{"role":"assistant","content":""}', 'null')),
)
const contentAround = choice('{"content":"@ "}', 'null').split('@') as [string, string]
const usageEvent = `data: {${common},"choices":[],"usage":{"prompt_tokens":190,"completion_tokens":120,"total_tokens":310}}\n\n`
const streamEnding = Buffer.from(
  `${frame(choice('{}', '"stop"'))}${frame(usageEvent)}${frame('data: [DONE]\n\n')}0\r\n\r\n`,
)

function head(status: string, type: string, length?: number): string {
  const framing = length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  return (
    `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nx-request-id: req_bench\r\nopenai-processing-ms: 1\r\n` +
    `x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n${framing}\r\nConnection: keep-alive\r\n\r\n`
  )
}

function sendStream(socket: Socket, done: () => void): void {
  const { chunks, gapMs } = settings
  const later = gapMs === 0 ? setImmediate : (run: () => void) => setTimeout(run, gapMs)
  let left = chunks
  counts.openStreams++
  counts.mostOpenStreams = Math.max(counts.mostOpenStreams, counts.openStreams)
  socket.write(streamOpening)
  const step = () => {
    if (socket.destroyed || left-- === 0) {
      counts.openStreams--
      socket.write(streamEnding)
      return done()
    }
    socket.write(frame(contentAround[0] + process.hrtime.bigint() + contentAround[1]), 'latin1')
    later(step)
  }
  later(step)
}

const headEnd = Buffer.from('\r\n\r\n')
const asksForStream = Buffer.from('"stream":true')
const lengthHeader = /\r\ncontent-length: *(\d+)/i
const chunkedHeader = /\r\ntransfer-encoding: *chunked/i

/** Where the request at the start of these bytes ends; undefined where it is not whole. */
function endOfRequest(bytes: Buffer, bodyStart: number, requestHead: string): number | undefined {
  const length = lengthHeader.exec(requestHead)
  const end = length
    ? bodyStart + Number(length[1])
    : chunkedHeader.test(requestHead)
      ? endOfChunks(bytes, bodyStart)
      : bodyStart
  return end !== undefined && end <= bytes.length ? end : undefined
}

function endOfChunks(bytes: Buffer, bodyStart: number): number | undefined {
  let at = bodyStart
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    at = lineEnd + 2 + size + 2
    if (size === 0) return at
  }
}

function serve(port: number, answer: (socket: Socket, wantsStream: boolean, done: () => void) => void): void {
  createServer({ noDelay: true }, (socket) => {
    let held: Buffer | undefined
    let busy = false
    const done = () => {
      busy = false
      read()
    }
    const read = () => {
      if (!held || busy) return
      const headStop = held.indexOf(headEnd)
      if (headStop < 0) return
      const bodyStart = headStop + headEnd.length
      const end = endOfRequest(held, bodyStart, held.toString('latin1', 0, headStop))
      if (end === undefined) return
      const wantsStream = held.subarray(bodyStart, end).includes(asksForStream)
      held = end < held.length ? held.subarray(end) : undefined
      busy = true
      counts.requests++
      answer(socket, wantsStream, done)
    }
    socket.on('data', (chunk: Buffer) => {
      held = held ? Buffer.concat([held, chunk]) : chunk
      read()
    })
    socket.on('error', () => socket.destroy())
  }).listen({ port, host: '127.0.0.1', backlog: 4096 })
}

const [port, brokenPort] = process.argv.slice(2).map(Number) as [number, number]
serve(port, (socket, wantsStream, done) => {
  if (wantsStream) return sendStream(socket, done)
  socket.write(plainAnswer)
  done()
})
serve(brokenPort, (socket, _wantsStream, done) => {
  socket.write(brokenAnswer)
  done()
})
