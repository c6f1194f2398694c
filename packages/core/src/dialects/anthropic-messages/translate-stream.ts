import type { SseEvent } from '../dialect.ts'
import { isText, parseJson, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { OpenedPart, Proof, StopReason, StreamStep } from '../neutral.ts'
import { argumentsIn } from '../openai-chat/messages.ts'
import { sealed, unsealed } from '../proof.ts'
import type { Losses, StepWriter } from '../translation.ts'
import type { Usage } from '../../types.ts'
import { pieceOf } from './answer.ts'
import { normaliseUsage } from './usage.ts'
import { writeThought } from './messages.ts'
import { reasonOf, stopOf, writeUsage } from './translate-answer.ts'

const dialect = 'anthropic-messages'

/** Reads the events of a streamed message. Its blocks come one after the other. */
export function stepReader(losses?: Losses): (event: SseEvent) => readonly StreamStep[] {
  let counted: JsonBody = {}
  /** Whether the block that is open has words in other dialects. */
  let isCarried = false
  let hasCalls = false
  /** The arguments of a call as it was opened with, until they are written out. */
  let unwritten: string | undefined

  const readers: Readonly<Record<string, (body: JsonBody) => readonly StreamStep[]>> = {
    message_start(body) {
      const message = record(body['message'])
      counted = pieceOf(message)
      return [{ type: 'start', id: text(message['id']), model: text(message['model']) }]
    },
    content_block_start(body) {
      const block = record(body['content_block'])
      const opened = openedBy(block)
      isCarried = opened.length > 0
      if (!isCarried) losses?.lose(`messages[].content[].${text(block['type'])}`)
      const isCall = block['type'] === 'tool_use'
      hasCalls ||= isCall
      unwritten = isCall ? argumentsIn(block['input']) : undefined
      return opened
    },
    content_block_delta(body) {
      const delta = record(body['delta'])
      if (delta['type'] === 'citations_delta') losses?.lose('messages[].content[].citations')
      const said = isCarried ? readDelta(delta) : []
      if (said.length > 0) unwritten = undefined
      return said
    },
    // A call without arguments is opened and closed: elsewhere they are an empty object.
    content_block_stop: () => (isCarried ? [...deltaOf(unwritten), { type: 'close' }] : []),
    message_delta(body) {
      const { stop_reason: reason, stop_sequence: sequence } = record(body['delta'])
      counted = { ...counted, ...pieceOf(body) }
      const usage = normaliseUsage(counted)
      return [
        ...(usage ? [{ type: 'usage', usage } as const] : []),
        ...(isText(reason)
          ? [{ type: 'stop', reason: stopOf(reason, hasCalls), ...(isText(sequence) && { sequence }) } as const]
          : []),
      ]
    },
    message_stop: () => [{ type: 'end' }],
  }

  return ({ data = '' }) => {
    const body = record(parseJson(data))
    const type = text(body['type'])
    return Object.hasOwn(readers, type) ? readers[type]!(body) : []
  }
}

function openedBy(block: JsonBody): StreamStep[] {
  const { type } = block
  if (type === 'text') return [{ type: 'open', part: { type } }, ...deltaOf(block['text'])]
  if (type === 'thinking') return [{ type: 'open', part: { type: 'reasoning' } }, ...deltaOf(block['thinking'])]
  if (type === 'redacted_thinking') {
    const proof = unsealed(text(block['data']), dialect, 'cipher')
    return [{ type: 'open', part: { type: 'reasoning' } }, ...(proof ? [{ type: 'proof', proof } as const] : [])]
  }
  if (type !== 'tool_use') return []
  return [{ type: 'open', part: { type: 'tool-call', id: text(block['id']), name: text(block['name']) } }]
}

const deltaOf = (piece: unknown): StreamStep[] => (isText(piece) ? [{ type: 'delta', text: piece }] : [])

function readDelta({ type, text: said, thinking, partial_json: json, signature }: JsonBody): StreamStep[] {
  if (type === 'signature_delta') {
    const proof = unsealed(text(signature), dialect, 'signature')
    return proof ? [{ type: 'proof', proof }] : []
  }
  return deltaOf(said ?? thinking ?? json)
}

const event = (type: string, body: JsonBody) => `event: ${type}\ndata: ${JSON.stringify({ type, ...body })}\n\n`

/** A piece of a part, as the delta of its block. */
const deltas: Readonly<Record<OpenedPart['type'], (piece: string) => JsonBody>> = {
  text: (piece) => ({ type: 'text_delta', text: piece }),
  refusal: (piece) => ({ type: 'text_delta', text: piece }),
  reasoning: (piece) => ({ type: 'thinking_delta', thinking: piece }),
  'tool-call': (piece) => ({ type: 'input_json_delta', partial_json: piece }),
}

/** Writes the events of a streamed message. */
export function stepWriter(): StepWriter {
  const writer = new MessageWriter()
  return { write: (step) => writer.write(step) }
}

class MessageWriter {
  private index = -1
  private open: OpenedPart['type'] = 'text'
  /** How far a thought has come: one that is in cipher only is a block of another type. */
  private thought: 'unsaid' | 'said' | 'proven' = 'unsaid'
  private refuses = false
  private stop: { readonly reason: StopReason; readonly sequence?: string } = { reason: 'stop' }
  private usage: Usage | undefined

  write(step: StreamStep): string {
    switch (step.type) {
      case 'start': {
        const { id, model, usage } = step
        const input = usage && { ...usage, outputTokens: 0, reasoningTokens: 0 }
        const head = { id, type: 'message', role: 'assistant', model, content: [], stop_reason: null }
        return event('message_start', { message: { ...head, stop_sequence: null, usage: writeUsage(input) } })
      }
      case 'open':
        return this.openPart(step.part)
      case 'delta':
        return this.beginThought() + this.delta(deltas[this.open](step.text))
      case 'proof':
        return this.prove(step.proof)
      case 'close':
        return this.close()
      case 'usage':
        this.usage = step.usage
        return ''
      case 'stop':
        this.stop = step
        return ''
      case 'end': {
        const { reason, sequence = null } = this.stop
        const ended = { stop_reason: reasonOf(reason, this.refuses), stop_sequence: sequence }
        return event('message_delta', { delta: ended, usage: writeUsage(this.usage) }) + event('message_stop', {})
      }
      default:
        return step satisfies never
    }
  }

  private begin(block: JsonBody): string {
    return event('content_block_start', { index: this.index, content_block: block })
  }

  private delta(body: JsonBody): string {
    return event('content_block_delta', { index: this.index, delta: body })
  }

  private openPart(part: OpenedPart): string {
    this.index++
    this.open = part.type
    this.refuses ||= part.type === 'refusal'
    this.thought = 'unsaid'
    if (part.type === 'tool-call') return this.begin({ type: 'tool_use', id: part.id, name: part.name, input: {} })
    return part.type === 'reasoning' ? '' : this.begin({ type: 'text', text: '' })
  }

  private beginThought(): string {
    if (this.open !== 'reasoning' || this.thought !== 'unsaid') return ''
    this.thought = 'said'
    return this.begin({ type: 'thinking', thinking: '', signature: '' })
  }

  private prove(proof: Proof | undefined): string {
    const isHidden = this.thought === 'unsaid' && proof?.kind === 'cipher'
    const written = isHidden
      ? this.begin(writeThought('', proof))
      : this.beginThought() + this.delta({ type: 'signature_delta', signature: sealed(proof, dialect) })
    this.thought = 'proven'
    return written
  }

  private close(): string {
    const isUnsigned = this.open === 'reasoning' && this.thought !== 'proven'
    return (isUnsigned ? this.prove(undefined) : '') + event('content_block_stop', { index: this.index })
  }
}
