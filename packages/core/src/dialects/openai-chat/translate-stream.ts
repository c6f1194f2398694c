import type { SseEvent } from '../dialect.ts'
import { isText, list, number, parseJson, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { OpenedPart, StopReason, StreamStep } from '../neutral.ts'
import { PartSequencer } from '../part-sequencer.ts'
import type { Asked, Losses, StepWriter } from '../translation.ts'
import type { Usage } from '../../types.ts'
import { classifyUsage, contentOf } from './answer.ts'
import { thoughtIn } from './messages.ts'
import { readDetails, writeDetail } from './reasoning-details.ts'
import { stopOf, tellLosses, tellSources, writeUsage, writesStops } from './translate-answer.ts'

/** Reads the chunks of a streamed completion: of its first choice. */
export function stepReader(losses?: Losses): (event: SseEvent) => readonly StreamStep[] {
  const parts = new PartSequencer()
  let started = false
  let hasCalls = false
  let lastCall = 0

  const said = (type: 'text' | 'refusal' | 'reasoning', value: unknown) =>
    isText(value) ? parts.piece(type, { type }, value) : []

  function readDelta(delta: JsonBody): StreamStep[] {
    tellLosses(delta, losses)
    return [
      ...said('reasoning', delta['reasoning_content'] ?? delta['reasoning']),
      ...readDetails(delta['reasoning_details'], undefined).flatMap(({ proof }): StreamStep[] =>
        proof ? [...parts.piece('reasoning', { type: 'reasoning' }, ''), { type: 'proof', proof }] : [],
      ),
      ...contentOf(delta).flatMap((part) => [...said('reasoning', thoughtIn(part)), ...said('text', part['text'])]),
      ...said('refusal', delta['refusal']),
      ...list(delta['tool_calls']).flatMap((call) => readCall(record(call))),
    ]
  }

  function readCall({ index, id, function: called }: JsonBody): StreamStep[] {
    const { name, arguments: given } = record(called)
    const place = number(index) ?? (isText(id) && hasCalls ? lastCall + 1 : lastCall)
    lastCall = place
    hasCalls = true
    const part: OpenedPart = { type: 'tool-call', id: isText(id) ? id : `call_${place}`, name: text(name) }
    return parts.piece(`call ${place}`, part, text(given))
  }

  return ({ data = '' }) => {
    if (data === '[DONE]') return [{ type: 'end' }]
    const chunk = record(parseJson(data))
    const choice = list(chunk['choices'])
      .map(record)
      .find(({ index }) => index === undefined || index === 0)
    const { delta, finish_reason: reason } = choice ?? {}
    const usage = classifyUsage(chunk)
    tellSources(chunk, losses)
    const start: StreamStep[] = started ? [] : [{ type: 'start', id: text(chunk['id']), model: text(chunk['model']) }]
    started = true
    const told = readDelta(record(delta))
    const stop: StreamStep[] = isText(reason)
      ? [...parts.end(), { type: 'stop', reason: stopOf(reason, hasCalls) }]
      : []
    return [...start, ...told, ...stop, ...(usage ? [{ type: 'usage', usage } as const] : [])]
  }
}

/** Writes the chunks of a streamed completion. */
export function stepWriter({ body, startedAt }: Asked): StepWriter {
  const wantsUsage = record(body['stream_options'])['include_usage'] === true
  let head: JsonBody = {}
  let open: OpenedPart['type'] = 'text'
  let calls = -1
  let thoughts = 0
  let reason: StopReason = 'stop'
  let usage: Usage | undefined

  const event = (chunk: JsonBody) => `data: ${JSON.stringify({ ...head, ...chunk })}\n\n`
  const chunk = (delta: JsonBody, finish: string | null = null) =>
    event({
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(wantsUsage && { usage: null }),
    })
  const call = (called: JsonBody) => chunk({ tool_calls: [{ index: calls, ...called }] })
  const deltas: Readonly<Record<OpenedPart['type'], (piece: string) => string>> = {
    text: (content) => chunk({ content }),
    refusal: (refusal) => chunk({ refusal }),
    reasoning: (thought) => chunk({ reasoning_content: thought }),
    'tool-call': (piece) => call({ function: { arguments: piece } }),
  }

  return {
    write(step) {
      switch (step.type) {
        case 'start': {
          const { id, model } = step
          head = { id, object: 'chat.completion.chunk', created: Math.floor(startedAt / 1_000), model }
          return chunk({ role: 'assistant', content: '', refusal: null })
        }
        case 'open': {
          const { part } = step
          open = part.type
          if (part.type !== 'tool-call') return ''
          calls++
          return call({ id: part.id, type: 'function', function: { name: part.name, arguments: '' } })
        }
        case 'delta':
          return deltas[open](step.text)
        case 'proof':
          return chunk({ reasoning_details: [writeDetail('', step.proof, thoughts++)] })
        case 'usage':
          usage = step.usage
          return ''
        case 'stop':
          reason = step.reason
          return ''
        case 'end': {
          const counted = wantsUsage && usage ? event({ choices: [], usage: writeUsage(usage) }) : ''
          return `${chunk({}, writesStops[reason])}${counted}data: [DONE]\n\n`
        }
        case 'close':
          return ''
        default:
          return step satisfies never
      }
    },
  }
}
