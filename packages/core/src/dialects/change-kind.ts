import { bufferOf } from '../buffer.ts'
import type { Usage } from '../types.ts'
import type { Dialect } from './dialect.ts'
import { isRecord, parseExactly } from './json.ts'
import type { JsonBody } from './json-request.ts'
import type { NeutralAnswer, OpenedPart, Part, StreamStep } from './neutral.ts'
import { SseFramer, parseEvent } from './sse.ts'
import { LossList } from './loss-list.ts'
import type { Asked } from './translation.ts'

/**
 * The plain answer that a whole stream amounts to, in the same dialect. Undefined where it cannot be said: the dialect has
 * no neutral form, or the stream holds what that has no place for.
 */
export function collect(stream: Uint8Array, dialect: Dialect, asked: Asked, usage: Usage): Uint8Array | undefined {
  const { translation } = dialect
  if (!translation) return undefined
  const losses = new LossList()
  const answer = answerOf(eventsOf(stream).map(parseEvent).flatMap(translation.stepReader(losses)), usage)
  return answer && losses.names.size === 0
    ? Buffer.from(JSON.stringify(translation.writeAnswer(answer, asked)))
    : undefined
}

/** The stream that says a plain answer, in the same dialect. Undefined where it cannot be said. */
export function replay(plain: Uint8Array, { translation }: Dialect, asked: Asked): Uint8Array | undefined {
  const body = parseExactly(bufferOf(plain).toString())
  const losses = new LossList()
  const answer = translation && isRecord(body) && hasOneChoice(body) ? translation.readAnswer(body, losses) : undefined
  if (!answer?.parts.every(isStreamed) || losses.names.size > 0) return undefined
  const writer = translation!.stepWriter(asked)
  return Buffer.from(
    stepsOf(answer)
      .map((step) => writer.write(step))
      .join(''),
  )
}

/** A whole stream without the events that tell nothing but its usage. */
export function withoutUsage(stream: Uint8Array, dialect: Dialect): Uint8Array {
  return Buffer.concat(
    eventsOf(stream).filter(
      (event) => dialect.isDelta(event) || dialect.classifyEvent(parseEvent(event)).kind !== 'usage',
    ),
  )
}

/** The events of a whole stream. */
export function eventsOf(stream: Uint8Array): Uint8Array[] {
  const events: Uint8Array[] = []
  new SseFramer().push(stream, (event) => events.push(event))
  return events
}

/** The neutral form holds one choice. */
const hasOneChoice = ({ choices }: JsonBody) => !Array.isArray(choices) || choices.length === 1

const streamedParts = ['text', 'refusal', 'reasoning', 'tool-call'] as const
type StreamedPart = Extract<Part, { readonly type: (typeof streamedParts)[number] }>
const isStreamed = (part: Part): part is StreamedPart => (streamedParts as readonly string[]).includes(part.type)

function answerOf(steps: readonly StreamStep[], usage: Usage): NeutralAnswer | undefined {
  const start = steps.find((step) => step.type === 'start')
  const stop = steps.find((step) => step.type === 'stop')
  if (!start || !stop || steps.filter(({ type }) => type === 'stop').length > 1) return undefined
  const parts: StreamedPart[] = []
  for (const step of steps) {
    if (step.type === 'open') parts.push(emptyPart(step.part))
    else if (step.type === 'delta') parts.push(filled(parts.pop()!, step.text))
    else if (step.type === 'proof') parts.push({ ...parts.pop()!, proof: step.proof } as StreamedPart)
  }
  return {
    id: start.id,
    model: start.model,
    parts,
    stop: stop.reason,
    ...(stop.sequence !== undefined && { stopSequence: stop.sequence }),
    usage,
  }
}

const emptyPart = (part: OpenedPart): StreamedPart =>
  part.type === 'tool-call' ? { ...part, arguments: '' } : { type: part.type, text: '' }

const filled = (part: StreamedPart, text: string): StreamedPart =>
  part.type === 'tool-call' ? { ...part, arguments: part.arguments + text } : { ...part, text: part.text + text }

function stepsOf({ id, model, parts, stop, stopSequence, usage }: NeutralAnswer): StreamStep[] {
  return [
    { type: 'start', id, model, ...(usage && { usage }) },
    ...parts.filter(isStreamed).flatMap(stepsOfPart),
    { type: 'stop', reason: stop, ...(stopSequence !== undefined && { sequence: stopSequence }) },
    ...(usage ? [{ type: 'usage', usage } as const] : []),
    { type: 'end' },
  ]
}

function stepsOfPart(part: StreamedPart): StreamStep[] {
  const opened: OpenedPart =
    part.type === 'tool-call'
      ? { type: part.type, id: part.id, name: part.name }
      : part.type === 'reasoning' && part.proof?.id !== undefined
        ? { type: part.type, id: part.proof.id }
        : { type: part.type }
  const said = part.type === 'tool-call' ? part.arguments : part.text
  return [
    { type: 'open', part: opened },
    ...(said === '' ? [] : [{ type: 'delta', text: said } as const]),
    ...(part.type === 'reasoning' && part.proof ? [{ type: 'proof', proof: part.proof } as const] : []),
    { type: 'close' },
  ]
}
