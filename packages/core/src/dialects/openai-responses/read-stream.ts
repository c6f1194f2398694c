import type { SseEvent } from '../dialect.ts'
import { isText, number, parseJson, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { OpenedPart, StreamStep } from '../neutral.ts'
import { PartSequencer } from '../part-sequencer.ts'
import { unsealed } from '../proof.ts'
import type { Losses } from '../translation.ts'
import { stopOf } from './translate-answer.ts'
import { usageIn } from './usage.ts'

const keyOf = (body: JsonBody) => String(number(body['output_index']))

/** Reads the events of a streamed response. */
export function stepReader(losses?: Losses): (event: SseEvent) => readonly StreamStep[] {
  const parts = new PartSequencer()
  const calls = new Map<string, OpenedPart>()
  const spoken = new Set<string>()

  const said = (part: OpenedPart, body: JsonBody) =>
    parts.piece(`${keyOf(body)}.${number(body['content_index']) ?? 0}.${part.type}`, part, text(body['delta']))
  const think = (body: JsonBody, piece: string) => parts.piece(`${keyOf(body)}.reasoning`, { type: 'reasoning' }, piece)

  function argue(body: JsonBody, piece: string): StreamStep[] {
    const call = calls.get(keyOf(body))
    if (piece !== '') spoken.add(keyOf(body))
    return call ? parts.piece(`${keyOf(body)}.call`, call, piece) : []
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

  function done(body: JsonBody): StreamStep[] {
    const item = record(body['item'])
    if (item['type'] === 'function_call') {
      const opened = calls.has(keyOf(body)) ? [] : added(body)
      return [...opened, ...(spoken.has(keyOf(body)) ? [] : argue(body, text(item['arguments'])))]
    }
    const proof = unsealed(text(item['encrypted_content']), 'openai-responses', 'cipher')
    if (item['type'] !== 'reasoning' || !proof) return []
    const own = proof.of === 'openai-responses' && isText(item['id']) ? { ...proof, id: item['id'] } : proof
    return [...think(body, ''), { type: 'proof', proof: own }]
  }

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
    'response.output_text.delta': (body) => said({ type: 'text' }, body),
    'response.output_text.annotation.added'() {
      losses?.lose('output[].content[].annotations')
      return []
    },
    'response.refusal.delta': (body) => said({ type: 'refusal' }, body),
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
