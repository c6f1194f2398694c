import { openai } from '@signalbox/core'
import { type Script, chunk, hang, head, json, lastChunk, reset, streamHead, write } from '@signalbox/testkit'
import { type Speaker, type Wire, pairs } from './dialects.ts'

/** A dialect that callers speak, and a provider who answers it. */
export interface Pair {
  readonly caller: Pick<Speaker, 'path' | 'request'> & { readonly name: Dialect }
  readonly provider: Pick<Wire, 'model' | 'plain'> & {
    readonly name: Dialect
    /** Absent where it never streams. */
    readonly stream?: Wire['stream']
  }
}

type Dialect = Wire['name'] | 'openai-embeddings'

const embeddings = 'openai-embeddings'

/** Every dialect in which a router may be asked, on every provider that can answer. */
export const everyPair: readonly Pair[] = [
  ...pairs,
  {
    caller: {
      name: embeddings,
      path: '/embeddings',
      request: (more) => ({ model: 'auto', input: 'Say hello.', ...more }),
    },
    provider: {
      name: embeddings,
      model: ({ baseUrl }, options) => openai('m', { baseUrl, apiKey: 'key', ...(options as object) }),
      plain: () => ({
        object: 'list',
        data: [{ object: 'embedding', index: 0, embedding: [1] }],
        model: 'm',
        usage: { prompt_tokens: 10, total_tokens: 10 },
      }),
    },
  },
]

/** 1 nano-USD for a token of input, 10 for one of output. */
export const price = { input: 0.001, output: 0.01 }

/** What a call is charged. */
export interface Charge {
  readonly nanoUsd: number
  readonly estimated: boolean
}

/** What "Say hello." is estimated at. */
const input = 7
/** What is estimated where the provider does not say: each piece of text is a token, and four bytes that nobody read. */
const estimated = (outputTokens: number): Charge => ({ nanoUsd: input + 10 * outputTokens, estimated: true })
/** Anthropic says at once what the input was, and that one token is written: more of them count where more came. */
const saidAtStart = (outputTokens: number): Charge => ({ nanoUsd: 10 + 10 * outputTokens, estimated: true })
/** Every provider says 10 tokens in and 5 out; of an embedding, 10 in. */
const said = (provider: Dialect): Charge => ({ nanoUsd: provider === embeddings ? 10 : 60, estimated: false })

/** Where a call ends, and how. */
export interface Point {
  readonly name: string
  readonly stream: boolean
  /** What the provider has written by then. */
  readonly written: 'nothing' | 'half the body' | 'the opening' | 'the content' | 'finish_reason' | 'all'
  /** Whether the provider says what it counted. */
  readonly usage: 'told' | 'told only before the content' | 'untold'
  readonly ends: 'the caller leaves' | 'the provider breaks off' | 'the answer is whole'
  charge(provider: Dialect): Charge
}

/** Where a call ends whose request was sent. */
export const everyPoint: readonly Point[] = [
  ...(['the caller leaves', 'the provider breaks off'] as const).flatMap((ends) => [
    pointAt({ ends, stream: false, written: 'nothing', usage: 'untold' }, () => estimated(0)),
    pointAt({ ends, stream: true, written: 'nothing', usage: 'untold' }, () => estimated(0)),
    pointAt({ ends, stream: false, written: 'half the body', usage: 'untold' }, () => estimated(halfBytes / 4)),
    ...(['told', 'untold'] as const).flatMap((usage) => [
      pointAt({ ends, stream: true, usage, written: 'the opening' }, (by) =>
        usage === 'told' && by === 'anthropic-messages' ? saidAtStart(1) : estimated(0),
      ),
      pointAt({ ends, stream: true, usage, written: 'the content' }, (by) =>
        usage === 'told' && by === 'anthropic-messages' ? saidAtStart(2) : estimated(2),
      ),
    ]),
    ...finishedPoints({ ends, stream: true, written: 'finish_reason' }),
  ]),
  ...finishedPoints({ ends: 'the answer is whole', stream: true, written: 'all' }),
  ...(['told', 'untold'] as const).map((usage) =>
    pointAt({ ends: 'the answer is whole', stream: false, usage, written: 'all' }, (by) =>
      usage === 'told' ? said(by) : estimated(by === embeddings ? 0 : 2),
    ),
  ),
]

function finishedPoints(at: Omit<Point, 'name' | 'charge' | 'usage'>): Point[] {
  return [
    pointAt({ ...at, usage: 'told' }, said),
    pointAt({ ...at, usage: 'told only before the content' }, (by) =>
      by === 'anthropic-messages' ? saidAtStart(2) : estimated(2),
    ),
    pointAt({ ...at, usage: 'untold' }, () => estimated(2)),
  ]
}

function pointAt(at: Omit<Point, 'name' | 'charge'>, charge: Point['charge']): Point {
  const { ends, stream, written, usage } = at
  const name = `${ends} after ${written} of a ${stream ? 'stream' : 'plain answer'}, usage ${usage}`
  return { ...at, name, charge }
}

/** Of a plain answer that breaks off in the middle. */
const halfBytes = 40

/** What of the answer the provider writes, piece by piece. */
export function piecesOf({ stream, written, usage }: Point, { provider }: Pair): readonly string[] {
  const spoken = (text: string) => (usage === 'told' ? text : withoutUsage(text))
  const plain = spoken(JSON.stringify(provider.plain('Hello')))
  if (written === 'nothing') return []
  if (written === 'half the body') return [plain.slice(0, halfBytes)]
  if (!stream) return [plain]
  const { opening, contents, ending } = provider.stream!
  const pieces = [usage === 'untold' ? withoutUsage(opening) : opening]
  if (written !== 'the opening') pieces.push(...contents)
  if (written === 'finish_reason') pieces.push(spoken(ending.replace(terminal, '')))
  if (written === 'all') pieces.push(spoken(ending))
  return pieces
}

/** What comes after the reason why an answer ended, and after what it used; a response ends with its reason. */
const terminal = /data: \[DONE\]\n\n|event: message_stop\n[^]*/

const withoutUsage = (text: string) =>
  text.replaceAll(/,"usage":\{[^}]*\}/g, '').replaceAll(/data: [^\n]*"choices":\[\][^\n]*\n\n/g, '')

/** What the provider does at a point. */
export function scriptAt(point: Point, pair: Pair): Script {
  const pieces = piecesOf(point, pair)
  const { written, ends, stream } = point
  const then = ends === 'the caller leaves' ? hang() : reset()
  if (written === 'nothing') return then
  if (written === 'half the body') return [plainHead, ...pieces.map(write), then]
  if (!stream) return json(JSON.parse(pieces[0]!))
  return [streamHead(), ...pieces.map(chunk), ends === 'the answer is whole' ? lastChunk() : then]
}

const plainHead = head(200, { 'content-type': 'application/json', 'content-length': 10_000 })
