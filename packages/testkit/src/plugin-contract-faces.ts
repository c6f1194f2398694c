import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type DialectName, type Router, readBody } from '@signalbox/core'
import { listener } from '@signalbox/core/http'

/** A way of asking in a dialect, and of reading what comes back. */
export interface Surface {
  readonly dialect: DialectName
  readonly path: string
  /** The fields that ask this. */
  ask(prompt: string): object
  /** What a whole answer says. */
  textOf(answer: unknown): string
  /** What an event of a stream adds to it. */
  pieceOf(event: unknown): string
  /** What the last event of a stream says. */
  readonly end: string
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { content?: string }; readonly message?: { content?: string } }[]
}
interface Part {
  readonly text?: string
}
interface Item {
  readonly content?: readonly Part[]
}

const textsOf = (parts: readonly Part[]) => parts.map(({ text = '' }) => text).join('')

/** Every dialect in which a conversation is held. */
export const surfaces: readonly Surface[] = [
  {
    dialect: 'openai-chat',
    path: '/chat/completions',
    ask: (content) => ({ messages: [{ role: 'user', content }] }),
    textOf: (answer) => (answer as Chunk).choices?.[0]?.message?.content ?? '',
    pieceOf: (event) => (event as Chunk).choices?.[0]?.delta?.content ?? '',
    end: '[DONE]',
  },
  {
    dialect: 'anthropic-messages',
    path: '/messages',
    ask: (content) => ({ max_tokens: 1_000, messages: [{ role: 'user', content }] }),
    textOf: (answer) => textsOf((answer as Required<Item>).content),
    pieceOf: (event) => (event as { delta?: Part }).delta?.text ?? '',
    end: 'message_stop',
  },
  {
    dialect: 'openai-responses',
    path: '/responses',
    ask: (input) => ({ input }),
    textOf: (answer) => (answer as { output: Item[] }).output.map(({ content = [] }) => textsOf(content)).join(''),
    pieceOf: (event) => {
      const { type, delta } = event as { type: string; delta: string }
      return type === 'response.output_text.delta' ? delta : ''
    },
    end: 'response.completed',
  },
]

/** Asks a router and gives the text of its answer. */
export type Ask = (router: Router, surface: Pick<Surface, 'dialect' | 'path'>, body: object) => Promise<string>

/** Every way to a router. */
export const faces: Readonly<Record<'in process' | 'through fetch' | 'over HTTP', Ask>> = {
  'in process': async (router, { dialect }, body) =>
    Buffer.from(await readBody(await router.handle({ dialect, body }))).toString(),
  'through fetch': async (router, { path }, body) =>
    (await router.fetch(`http://in.process/v1${path}`, { method: 'POST', body: JSON.stringify(body) })).text(),
  'over HTTP': overHttp,
}

async function overHttp(router: Router, { path }: Pick<Surface, 'path'>, body: object): Promise<string> {
  const server = createServer(listener(router))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    return await new Promise<string>((resolve, reject) => {
      const sent = httpRequest({ port, path: `/v1${path}`, method: 'POST' }, (res) => {
        let text = ''
        res.setEncoding('utf8').on('data', (piece: string) => (text += piece))
        res.on('end', () => resolve(text)).on('error', reject)
      })
      sent.on('error', reject)
      sent.end(JSON.stringify(body))
    })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** What the text of an answer says. */
export const plainText = (text: string, { textOf }: Pick<Surface, 'textOf'>) => textOf(JSON.parse(text))

/** What the events of a stream say together. */
export function streamText(text: string, { pieceOf }: Pick<Surface, 'pieceOf'>): string {
  const events = text.split('\n').filter((line) => line.startsWith('data: {'))
  return events.map((line) => pieceOf(JSON.parse(line.slice('data: '.length)))).join('')
}
