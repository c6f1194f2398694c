import { connect } from 'node:net'
import { percentile } from '../median.ts'
import { type RequestShape, rawRequest } from '../traffic.ts'

/**
 * A closed loop of plain requests, for machines without wrk: `node load/requests.ts PORT SHAPE CONNECTIONS SECONDS`.
 * Prints one line of JSON.
 */

/** What a closed loop measured. Times in microseconds. */
export interface RequestsResult {
  readonly requests: number
  readonly microseconds: number
  readonly failed: number
  readonly p50: number
  readonly p99: number
}

const [port, shape, connections, seconds] = process.argv.slice(2) as [string, string, string, string]
const request = rawRequest(Number(port), JSON.parse(shape) as RequestShape)
const latencies: number[] = []
let failed = 0
let live = true
const microsecondsNow = () => performance.now() * 1_000

function loop(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
    let held = ''
    let sentAt = 0
    const send = () => {
      held = ''
      sentAt = microsecondsNow()
      socket.write(request)
    }
    socket.setEncoding('latin1')
    socket.on('connect', send)
    socket.on('data', (text: string) => {
      held += text
      if (!isWhole(held)) return
      latencies.push(microsecondsNow() - sentAt)
      if (!held.startsWith('HTTP/1.1 200')) failed++
      if (live) send()
      else socket.destroy()
    })
    socket.on('error', () => failed++)
    socket.on('close', () => resolve())
  })
}

function isWhole(answer: string): boolean {
  const headStop = answer.indexOf('\r\n\r\n')
  if (headStop < 0) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer)
  return length ? answer.length >= headStop + 4 + Number(length[1]) : answer.endsWith('0\r\n\r\n')
}

const startedAt = microsecondsNow()
setTimeout(() => (live = false), Number(seconds) * 1_000)
await Promise.all(Array.from({ length: Number(connections) }, loop))
const result: RequestsResult = {
  requests: latencies.length,
  microseconds: microsecondsNow() - startedAt,
  failed,
  p50: percentile(latencies, 50),
  p99: percentile(latencies, 99),
}
console.log(JSON.stringify(result))
