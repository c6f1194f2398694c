import type { SseEvent } from '../dialect.ts'
import { number, parseJson, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { OpenedPart, Part, StreamStep } from '../neutral.ts'
import { argumentsIn } from '../openai-chat/messages.ts'
import { PartSequencer } from '../part-sequencer.ts'
import type { Losses } from '../translation.ts'
import { readOutput } from './items.ts'
import { stopOf } from './translate-answer.ts'
import { usageIn } from './usage.ts'

const keyOf = (body: JsonBody) => String(number(body['output_index']))

/** Reads the events of a streamed response. */
export function stepReader(losses?: Losses): (event: SseEvent) => readonly StreamStep[] {
  const parts = new PartSequencer()
  const calls = new Map<string, OpenedPart>()
  const spoken = new Set<string>()

  function fill(body: JsonBody, place: string, part: OpenedPart, piece: string): StreamStep[] {
    if (piece !== '') spoken.add(keyOf(body))
    return parts.piece(`${keyOf(body)}.${place}`, part, piece)
  }

  const say = (body: JsonBody, index: number, type: 'text' | 'refusal', piece: string) =>
    fill(body, `${index}.${type}`, { type }, piece)
  const said = (type: 'text' | 'refusal', body: JsonBody) =>
    say(body, number(body['content_index']) ?? 0, type, text(body['delta']))
  const think = (body: JsonBody, piece: string) => fill(body, 'reasoning', { type: 'reasoning' }, piece)

  function argue(body: JsonBody, piece: string): StreamStep[] {
    const call = calls.get(keyOf(body))
    return call ? fill(body, 'call', call, piece) : []
  }

  function added(body: JsonBody): StreamStep[] {
    const { type, call_id: id, name } = record(body['item'])
    if (type !== 'function_call') {
      if (type !== 'message' && type !== 'reasoning') losses?.lose(`output[].${text(type)}`)
      return []
    }
    calls.set(keyOf(body), { type: 'tool-call', id: text(id), name: text(name) })
    return argue(body, '')
  }

  /** A whole item. Of one that did not come in pieces, what it says stands here only. */
  function done(body: JsonBody): StreamStep[] {
    const item = record(body['item'])
    const isNew = !spoken.has(keyOf(body))
    if (item['type'] === 'message')
      return isNew ? readOutput([item]).flatMap((part, index) => saidWhole(body, part, index)) : []
    if (item['type'] === 'function_call') {
      const opened = calls.has(keyOf(body)) ? [] : added(body)
      return [...opened, ...(isNew ? argue(body, argumentsIn(item['arguments'])) : [])]
    }
    const [thought] = item['type'] === 'reasoning' ? readOutput([item]) : []
    if (thought?.type !== 'reasoning') return []
    const steps = isNew && thought.text !== '' ? think(body, thought.text) : []
    return thought.proof ? [...steps, ...think(body, ''), { type: 'proof', proof: thought.proof }] : steps
  }

  const saidWhole = (body: JsonBody, part: Part, index: number) =>
    part.type === 'text' || part.type === 'refusal' ? say(body, index, part.type, part.text) : []

  function ended(body: JsonBody): StreamStep[] {
    const response = record(body['response'])
    const usage = usageIn(response)
    return [
      ...parts.end(),
      ...(usage ? [{ type: 'usage', usage } as const] : []),
      { type: 'stop', reason: stopOf(response, calls.size > 0) },
      { type: 'end' },
    ]
  }

  const readers: Readonly<Record<string, (body: JsonBody) => readonly StreamStep[]>> = {
    'response.created'({ response }) {
      return [{ type: 'start', id: text(record(response)['id']), model: text(record(response)['model']) }]
    },
    'response.output_item.added': added,
    'response.output_item.done': done,
    'response.output_text.delta': (body) => said('text', body),
    'response.output_text.annotation.added'() {
      losses?.lose('output[].content[].annotations')
      return []
    },
    'response.refusal.delta': (body) => said('refusal', body),
    'response.reasoning_summary_part.added': (body) => (body['summary_index'] ? think(body, '\n\n') : []),
    'response.reasoning_summary_text.delta': (body) => think(body, text(body['delta'])),
    'response.reasoning_text.delta': (body) => think(body, text(body['delta'])),
    'response.function_call_arguments.delta': (body) => argue(body, text(body['delta'])),
    'response.completed': ended,
    'response.incomplete': ended,
  }

  return ({ data = '' }) => {
    const body = record(parseJson(data))
    const type = text(body['type'])
    return Object.hasOwn(readers, type) ? readers[type]!(body) : []
  }
}
