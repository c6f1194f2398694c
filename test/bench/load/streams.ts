import { connect } from 'node:net'
import { percentile } from '../median.ts'
import { type RequestShape, rawRequest } from '../traffic.ts'

/**
 * Stream after stream on each connection: `node load/streams.ts PORT SHAPE CONNECTIONS SECONDS RAMP_SECONDS`. Prints one
 * line of JSON.
 */

/** What the streams measured. Times in microseconds. */
export interface StreamsResult {
  readonly streams: number
  readonly chunks: number
  readonly failed: number
  /** From a request to its first chunk of content. */
  readonly firstChunk: { readonly p50: number; readonly p99: number }
  /** From the moment at which the upstream sent a chunk. */
  readonly chunkDelay: { readonly p50: number; readonly p99: number }
}

/** Streams that are still under way this long after the load's time are given up. */
const graceMs = 8_000

const [port, shape, connections, seconds, rampSeconds] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
]
const request = rawRequest(Number(port), JSON.parse(shape) as RequestShape)
const firstChunks: number[] = []
const chunkDelays: number[] = []
let streams = 0
let failed = 0
let live = true
const microsecondsNow = () => Number(process.hrtime.bigint()) / 1_000

/** Content that the upstream stamped, wherever in an event it stands. */
const stamp = /"content":"(\d{8,}) ?"/g

function loop(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(() => {
      const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
      let held = ''
      let sentAt = 0
      let isFirst = true
      let headIsRead = false
      const send = () => {
        held = ''
        isFirst = true
        headIsRead = false
        sentAt = microsecondsNow()
        socket.write(request)
      }
      socket.setEncoding('latin1')
      socket.on('connect', send)
      socket.on('data', (text: string) => {
        const now = microsecondsNow()
        held += text
        if (!headIsRead && held.includes('\r\n\r\n')) {
          headIsRead = true
          if (!held.startsWith('HTTP/1.1 200')) failed++
        }
        let read = 0
        for (const found of held.matchAll(stamp)) {
          read = found.index + found[0].length
          chunkDelays.push(now - Number(found[1]) / 1_000)
          if (isFirst) firstChunks.push(now - sentAt)
          isFirst = false
        }
        if (headIsRead && held.includes('[DONE]') && held.endsWith('0\r\n\r\n')) {
          streams++
          if (live) send()
          else socket.destroy()
        } else if (read > 0) held = held.slice(read)
      })
      socket.on('error', () => failed++)
      socket.on('close', () => resolve())
    }, delayMs)
  })
}

setTimeout(() => (live = false), Number(seconds) * 1_000)
const gaps = (Number(rampSeconds) * 1_000) / Number(connections)
const loops = Promise.all(Array.from({ length: Number(connections) }, (_, index) => loop(gaps * index)))
const patience = new Promise<void>((resolve) => setTimeout(resolve, Number(seconds) * 1_000 + graceMs).unref())
await Promise.race([loops, patience])
const result: StreamsResult = {
  streams,
  chunks: chunkDelays.length,
  failed,
  firstChunk: { p50: percentile(firstChunks, 50), p99: percentile(firstChunks, 99) },
  chunkDelay: { p50: percentile(chunkDelays, 50), p99: percentile(chunkDelays, 99) },
}
console.log(JSON.stringify(result))
process.exit()
