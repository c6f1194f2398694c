import { newId } from '../../new-id.ts'
import type { SseEvent } from '../dialect.ts'
import { isRecord, isText, list, number, parseJson, record, text } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import type { OpenedPart, Proof, StopReason, StreamStep } from '../neutral.ts'
import { PartSequencer } from '../part-sequencer.ts'
import type { Asked, Losses, StepWriter } from '../translation.ts'
import type { Usage } from '../../types.ts'
import { classifyUsage, contentOf } from './answer.ts'
import { tellOfCall, thoughtIn } from './messages.ts'
import { readDetails, writeDetail } from './reasoning-details.ts'
import { stopOf, tellLosses, tellSources, writeUsage, writesStops } from './translate-answer.ts'

/** A call of a tool, as far as it has come. */
interface Call {
  readonly key: string
  readonly index: number | undefined
  readonly id: string
  given: string
}

/** Reads the chunks of a streamed completion: of its first choice. */
export function stepReader(losses?: Losses): (event: SseEvent) => readonly StreamStep[] {
  const parts = new PartSequencer()
  const calls: Call[] = []
  let started = false
  let stopped = false
  /** Thoughts that are proven: what is thought after it, is another one. */
  let proven = 0
  /** The thought that is not proven yet: with its proof it may come again. */
  let unproven = ''

  const said = (type: 'text' | 'refusal', value: unknown) => (isText(value) ? parts.piece(type, { type }, value) : [])

  function think(thought: unknown): StreamStep[] {
    if (!isText(thought)) return []
    unproven += thought
    return parts.piece(`reasoning ${proven}`, { type: 'reasoning' }, thought)
  }

  function prove(proof: Proof): StreamStep[] {
    unproven = ''
    return [...parts.piece(`reasoning ${proven++}`, { type: 'reasoning' }, ''), { type: 'proof', proof }]
  }

  function readDelta(delta: JsonBody): StreamStep[] {
    tellLosses(delta, losses)
    const thought = [delta['reasoning_content'], delta['reasoning']].find(isText)
    return [
      ...think(thought),
      ...readDetails(delta['reasoning_details'], undefined).flatMap(({ text: detail, proof }) => [
        ...(thought === undefined && !(proof && detail === unproven) ? think(detail) : []),
        ...(proof ? prove(proof) : []),
      ]),
      ...contentOf(delta).flatMap((part) => [...think(thoughtIn(part)), ...said('text', part['text'])]),
      ...said('refusal', delta['refusal']),
      ...list(delta['tool_calls']).flatMap((call) => readCall(record(call))),
    ]
  }

  function readCall(piece: JsonBody): StreamStep[] {
    const { index, id, function: called } = piece
    tellOfCall(piece, losses)
    const { name, arguments: args } = record(called)
    const given = text(args) || (isRecord(args) ? JSON.stringify(args) : '')
    const place = number(index)
    const going = place === undefined ? calls.at(-1) : calls.findLast((one) => one.index === place)
    const isNext = !going || beginsAnother(going, { place, id, name, given })
    const call = isNext ? begin(place, id) : going
    call.given += given
    return parts.piece(call.key, { type: 'tool-call', id: call.id, name: text(name) }, given)
  }

  function begin(index: number | undefined, id: unknown): Call {
    const call = { key: `call ${calls.length}`, index, id: isText(id) ? id : newId(), given: '' }
    calls.push(call)
    return call
  }

  function stop(reason: unknown): StreamStep[] {
    stopped = true
    return [...parts.end(), { type: 'stop', reason: stopOf(reason, calls.length > 0) }]
  }

  return ({ data = '' }) => {
    if (data === '[DONE]') return [...(stopped ? [] : stop(undefined)), { type: 'end' }]
    const chunk = record(parseJson(data))
    const choice = list(chunk['choices'])
      .map(record)
      .find(({ index }) => index === undefined || index === 0)
    const { delta, finish_reason: reason } = choice ?? {}
    const usage = classifyUsage(chunk)
    tellSources(chunk, losses)
    // What Azure says of the prompt comes first, under no name.
    const begins = !started && (choice !== undefined || isText(chunk['id']))
    const start: StreamStep[] = begins ? [{ type: 'start', id: text(chunk['id']), model: text(chunk['model']) }] : []
    started ||= begins
    const told = readDelta(record(delta))
    const stopping = isText(reason) ? stop(reason) : []
    return [...start, ...told, ...stopping, ...(usage ? [{ type: 'usage', usage } as const] : [])]
  }
}

/**
 * Whether a piece begins another call than the one that is going on in its place. Some providers give calls no place, and
 * Ollama gave the same one to all; but each of theirs comes whole in one piece.
 */
function beginsAnother(
  going: Call,
  { place, id, name, given }: { place: number | undefined; id: unknown; name: unknown; given: string },
): boolean {
  const isOthers = isText(id) && id !== going.id
  if (place === undefined && isOthers) return true
  const mayBe = isOthers || (place === undefined && !isText(id) && isText(name))
  return mayBe && given !== '' && isRecord(parseJson(going.given))
}

/** Writes the chunks of a streamed completion. */
export function stepWriter({ body, startedAt }: Asked): StepWriter {
  const wantsUsage = record(body['stream_options'])['include_usage'] === true
  let head: JsonBody = {}
  let open: OpenedPart['type'] = 'text'
  let calls = -1
  let thought = ''
  let proven = 0
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
    reasoning(piece) {
      thought += piece
      return chunk({ reasoning_content: piece })
    },
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
          thought = ''
          if (part.type !== 'tool-call') return ''
          calls++
          return call({ id: part.id, type: 'function', function: { name: part.name, arguments: '' } })
        }
        case 'delta':
          return deltas[open](step.text)
        case 'proof':
          return chunk({ reasoning_details: [writeDetail(thought, step.proof, proven++)] })
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
