import { request as httpRequest } from 'node:http'

/** Where every row answers. */
export const path = '/v1/chat/completions'

/** The model that ordinary requests ask for. */
export const ordinaryModel = 'bench-model'
/** The model whose first provider always answers 503. */
export const failoverModel = 'bench-failover'

const prompt =
  'Please read the following paragraph and answer the question that follows it in two short sentences. '.repeat(8)

/** What one request of the load is like. */
export interface RequestShape {
  readonly model: string
  readonly stream: boolean
  readonly headers: Readonly<Record<string, string>>
}

/** A chat request of about 1 KB. */
export function chatBody({ model, stream }: Pick<RequestShape, 'model' | 'stream'>): string {
  return JSON.stringify({
    model,
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: prompt.slice(0, 760) },
    ],
    temperature: 0.7,
    max_tokens: 256,
    stream,
  })
}

/** The headers of a chat request, without its length. */
export function chatHeaders({ headers }: Pick<RequestShape, 'headers'>): Record<string, string> {
  return { 'content-type': 'application/json', authorization: 'Bearer sk-bench', ...headers }
}

/** What came back for a single request. */
export interface Answer {
  readonly status: number
  readonly body: string
}

/** Sends a single request on a connection of its own. */
export function ask(port: number, shape: RequestShape): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = chatBody(shape)
    const headers = { ...chatHeaders(shape), 'content-length': Buffer.byteLength(body) }
    const request = httpRequest(
      { host: '127.0.0.1', port, path, method: 'POST', agent: false, headers },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
        response.on('error', reject)
      },
    )
    request.setTimeout(8_000, () => request.destroy(new Error('no answer within 8 s')))
    request.on('error', reject)
    request.end(body)
  })
}

/** A chat request as it goes over a socket. */
export function rawRequest(port: number, shape: RequestShape): Buffer {
  const body = chatBody(shape)
  const lines = Object.entries(chatHeaders(shape)).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = Buffer.byteLength(body)
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${lines.join('')}content-length: ${length}\r\n\r\n${body}`,
  )
}
