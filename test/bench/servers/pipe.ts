import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import { path } from '../traffic.ts'
import { type Place, backlog } from './place.ts'

/** The floor of a Node proxy: `node:http` on one side, undici's dispatch on the other, the bytes as they came. */
export function serve({ port, upstream }: Place): void {
  const pool = new Pool(upstream, { connections: 1024, pipelining: 1 })
  createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      const headers = { 'content-type': req.headers['content-type']!, authorization: req.headers.authorization! }
      pool.dispatch({ method: 'POST', path, headers, body }, new Pipe(res))
    })
  }).listen({ port, host: '127.0.0.1', backlog })
}

/** Passes an answer on. A body of known length is written at once with its head. */
class Pipe implements Dispatcher.DispatchHandler {
  private readonly res: ServerResponse
  private lengthIsKnown = false
  private body: Buffer | undefined

  constructor(res: ServerResponse) {
    this.res = res
  }

  onRequestStart(): void {
    // Nothing aborts it.
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.lengthIsKnown = headers['content-length'] !== undefined
    this.res.writeHead(status, withoutHopByHop(headers))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.lengthIsKnown) {
      this.body = this.body ? Buffer.concat([this.body, chunk]) : chunk
    } else if (!this.res.write(chunk)) {
      controller.pause()
      this.res.once('drain', () => controller.resume())
    }
  }

  onResponseEnd(): void {
    this.res.end(this.body)
  }

  onResponseError(): void {
    if (!this.res.headersSent) this.res.writeHead(502)
    this.res.end()
  }
}

function withoutHopByHop(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const passed: IncomingHttpHeaders = {}
  for (const name in headers) {
    if (name !== 'connection' && name !== 'keep-alive' && name !== 'transfer-encoding') passed[name] = headers[name]
  }
  return passed
}
