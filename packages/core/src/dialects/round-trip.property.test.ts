import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Dialect } from './dialect.ts'
import { dialects } from './index.ts'
import { hasLongNumber } from './json.ts'
import type { JsonBody } from './json-request.ts'
import type { NeutralAnswer, NeutralMessage, NeutralRequest, Part, StopReason, StreamStep } from './neutral.ts'
import { parseEvent, SseFramer } from './sse.ts'
import { translateRequest } from './translate.ts'
import type { FieldWriter, Target, Translation } from './translation.ts'

const target: Target = { provider: 'openai', model: 'there', maxOutputTokens: undefined, reasoning: false }
const talkative = Object.values(dialects).filter(({ translation }) => translation !== undefined)
const pairs = talkative.flatMap((from) => talkative.filter((to) => to !== from).map((to) => ({ from, to })))
const translationOf = (dialect: Dialect) => dialect.translation as Translation

const word = fc.string({
  unit: fc.constantFrom('a', 'B', '7', ' ', 'é', '世', '🏯', '"', '\\', '\n', '{'),
  minLength: 1,
})
/** Anthropic takes no text that is blank. */
const said = word.filter((text) => text.trim() !== '')
const id = fc.stringMatching(/^[\w-]{1,20}$/)
const json = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
/** Arguments as models write them; also with digits that a double does not hold. */
const given = fc.oneof(
  json.map((value) => JSON.stringify(value)),
  fc.constant('{"id":12345678901234567890123}'),
  fc.constant('{"at":1732276190.123456789}'),
)
const textPart = said.map((text): Part => ({ type: 'text', text }))
const image = fc.oneof(
  fc.constant<Part>({ type: 'image', source: { url: 'https://example.com/a.png' } }),
  fc.constant<Part>({ type: 'image', source: { mediaType: 'image/png', data: 'iVBORw0KGgo=' } }),
)
const file = fc.constant<Part>({
  type: 'file',
  source: { mediaType: 'application/pdf', data: 'JVBERi0=' },
  name: 'a.pdf',
})
const call = fc
  .record({ id, name: fc.stringMatching(/^[a-z_]{1,10}$/), arguments: given })
  .map((one): Extract<Part, { type: 'tool-call' }> => ({ type: 'tool-call', ...one }))

/** A turn: a question, an answer that may call tools, and the results of all that were called. */
const turn = fc
  .record({
    question: fc.array(fc.oneof(textPart, image, file), { minLength: 1, maxLength: 3 }),
    answer: said,
    calls: fc.uniqueArray(call, { maxLength: 3, selector: ({ id: of }) => of }),
    result: said,
  })
  .map(({ question, answer, calls, result }): NeutralMessage[] => [
    { role: 'user', parts: question },
    { role: 'assistant', parts: [{ type: 'text', text: answer }, ...calls] },
    ...(calls.length === 0
      ? []
      : [
          {
            role: 'user' as const,
            parts: calls.map((one): Part => ({
              type: 'tool-result',
              id: one.id,
              parts: [{ type: 'text', text: result }],
            })),
          },
          { role: 'assistant' as const, parts: [{ type: 'text', text: answer }] satisfies Part[] },
        ]),
  ])

const tool = fc.record({
  name: fc.stringMatching(/^[a-z_]{1,10}$/),
  description: word,
  inputSchema: json.map((properties) => ({ type: 'object', properties })),
  strict: fc.boolean(),
})

const requests: fc.Arbitrary<NeutralRequest> = fc.record(
  {
    system: said.map((text) => [{ type: 'text' as const, text }]),
    messages: fc
      .tuple(fc.array(turn, { maxLength: 3 }), said)
      .map(([turns, last]): NeutralMessage[] => [
        ...turns.flat(),
        { role: 'user', parts: [{ type: 'text', text: last }] },
      ]),
    tools: fc.array(tool, { minLength: 1, maxLength: 3 }),
    toolChoice: fc.oneof(fc.constantFrom('auto', 'none', 'required'), fc.constant({ name: 'get_weather' })),
    parallelTools: fc.boolean(),
    maxOutputTokens: fc.integer({ min: 16, max: 100_000 }),
    temperature: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }).map((value) => value || 0),
    topP: fc.double({ min: 0.95, max: 1, maxExcluded: true, noNaN: true }).map((value) => value || 0),
    stop: fc.array(said, { minLength: 1, maxLength: 4 }),
    stream: fc.constant(true),
    responseFormat: fc.record({ type: fc.constant('json-schema' as const), schema: json }),
    reasoning: fc.record({ effort: fc.constantFrom('low', 'medium', 'high', 'xhigh') }),
    user: word,
    verbosity: fc.constantFrom('low', 'high'),
  },
  { requiredKeys: ['messages', 'tools'] },
)

/** Whether tools may be called at once is said beside the choice of one, and who is told how to sample does not think. */
const sayable = ({ parallelTools, toolChoice, reasoning, ...rest }: NeutralRequest): NeutralRequest => ({
  ...rest,
  ...(toolChoice && toolChoice !== 'none' && { toolChoice, ...(parallelTools === false && { parallelTools }) }),
  ...(reasoning && rest.temperature === undefined && (toolChoice ?? 'auto') === 'auto' && { reasoning }),
})

/** A request in a dialect, of those neutral fields that both dialects write. */
function written(neutral: NeutralRequest, from: Dialect, to: Dialect): { body: JsonBody; fields: string[] } {
  const both = (field: string) => field in translationOf(from).writes && field in translationOf(to).writes
  const request = Object.fromEntries(Object.entries(neutral).filter(([field]) => both(field))) as NeutralRequest
  const context = { target, request, lose: unexpected, skip: unexpected }
  const body: Record<string, unknown> = { model: 'here' }
  for (const [field, value] of Object.entries(request)) {
    const writer = translationOf(from).writes[field as keyof NeutralRequest] as FieldWriter
    Object.assign(body, writer.write(value, context))
  }
  return { body, fields: Object.keys(request) }
}

function unexpected(name: string): void {
  throw new Error(`${name} was not carried`)
}

/** A body without the name and the flag of its schema, which not all dialects have. */
function withoutNames(body: JsonBody): JsonBody {
  const copy = JSON.parse(JSON.stringify(body)) as Record<string, Record<string, unknown> | undefined>
  for (const format of [copy['response_format']?.['json_schema'], copy['text']?.['format']]) {
    for (const name of ['name', 'strict']) delete (format as Record<string, unknown> | undefined)?.[name]
  }
  return copy
}

/** Numbers that `JSON.parse` would not keep. */
const longNumbers = (body: JsonBody) => JSON.stringify(body).match(/\d{20,}/g)

describe.each(pairs)('a request from $from.name to $to.name and back', ({ from, to }) => {
  it('keeps all that both can say', () => {
    fc.assert(
      fc.property(requests.map(sayable), (neutral) => {
        const { body } = written(neutral, from, to)
        const there = translateRequest(from.parse(body), from, to, target)
        const back = translateRequest(there.request, to, from, { ...target, model: 'here' })

        expect([...there.lost, ...there.skipped, ...back.lost, ...back.skipped]).toEqual([])
        expect(withoutNames(back.request.body)).toEqual(withoutNames(body))
        expect(longNumbers(back.request.body)).toEqual(longNumbers(body))
      }),
      { numRuns: 200 },
    )
  })
})

const stops: readonly StopReason[] = ['stop', 'length', 'tool-calls']
const answers: fc.Arbitrary<NeutralAnswer> = fc
  .record({
    thoughts: fc.array(
      fc.record({
        text: fc.oneof(word, fc.constant('')),
        of: fc.constantFrom('anthropic-messages', 'openai-responses'),
        data: fc.stringMatching(/^[A-Za-z0-9+/=]{1,20}$/),
      }),
      { maxLength: 3 },
    ),
    text: word,
    calls: fc.uniqueArray(call, { maxLength: 3, selector: ({ id: of }) => of }),
    stop: fc.constantFrom(...stops),
    counts: fc.tuple(fc.integer({ min: 1, max: 1_000 }), fc.nat(1_000), fc.nat(1_000), fc.nat(1_000)),
  })
  .map(({ thoughts, text, calls, stop, counts: [inputTokens, cached, outputTokens, reasoningTokens] }) => ({
    id: 'resp_1',
    model: 'there',
    parts: [
      ...thoughts.map(({ text: thought, of, data }) => ({
        type: 'reasoning' as const,
        text: thought,
        proof: {
          of,
          kind: of === 'openai-responses' || thought === '' ? ('cipher' as const) : ('signature' as const),
          data,
          ...(of === 'openai-responses' && { id: 'rs_1' }),
        },
      })),
      { type: 'text' as const, text },
      ...calls,
    ],
    stop: calls.length > 0 ? 'tool-calls' : stop === 'tool-calls' ? 'stop' : stop,
    usage: { inputTokens, cachedInputTokens: cached, cacheWriteTokens: 0, outputTokens, reasoningTokens },
  }))

const asked = { body: { stream_options: { include_usage: true } }, startedAt: 0 }

function stepsOf({ id: of, model, parts, stop, usage }: NeutralAnswer): StreamStep[] {
  return [
    { type: 'start', id: of, model },
    ...parts.flatMap((part): StreamStep[] => {
      if (part.type === 'tool-call') {
        return [{ type: 'open', part }, ...pieces(part.arguments), { type: 'close' }]
      }
      if (part.type === 'reasoning') {
        return [
          { type: 'open', part: { type: 'reasoning' } },
          ...pieces(part.text),
          { type: 'proof', proof: part.proof! },
          { type: 'close' },
        ]
      }
      return [{ type: 'open', part: { type: 'text' } }, ...pieces((part as { text: string }).text), { type: 'close' }]
    }),
    { type: 'usage', usage: usage! },
    { type: 'stop', reason: stop },
    { type: 'end' },
  ]
}

const pieces = (text: string): StreamStep[] =>
  [text.slice(0, 2), text.slice(2)].filter(Boolean).map((piece) => ({ type: 'delta', text: piece }))

/** An answer as the steps of a stream tell it. */
function collected(steps: readonly StreamStep[]): NeutralAnswer {
  const parts: Part[] = []
  let answer: NeutralAnswer = { id: '', model: '', parts, stop: 'stop', usage: undefined }
  let text = ''
  for (const step of steps) {
    const last = parts.at(-1)
    if (step.type === 'start') answer = { ...answer, id: step.id, model: step.model }
    else if (step.type === 'open') {
      text = ''
      parts.push(step.part.type === 'tool-call' ? { ...step.part, arguments: '' } : { type: step.part.type, text: '' })
    } else if (step.type === 'delta') {
      text += step.text
      parts[parts.length - 1] =
        last!.type === 'tool-call' ? { ...last!, arguments: text } : ({ ...last!, text } as Part)
    } else if (step.type === 'proof') parts[parts.length - 1] = { ...last!, proof: step.proof } as Part
    else if (step.type === 'usage') answer = { ...answer, usage: step.usage }
    else if (step.type === 'stop') answer = { ...answer, stop: step.reason }
  }
  return answer
}

function streamed(answer: NeutralAnswer, { stepWriter, stepReader }: Translation): NeutralAnswer {
  const { write } = stepWriter(asked)
  const text = stepsOf(answer).map(write).join('')
  const read = stepReader()
  const steps: StreamStep[] = []
  new SseFramer().push(Buffer.from(text), (event) => steps.push(...read(parseEvent(event))))
  return collected(steps)
}

/** Blanks in arguments are not kept where they are an object on the wire. */
const comparable = (answer: NeutralAnswer | undefined) => answer && { ...answer, id: answer.id.replace(/^resp_/, '') }

describe.each(talkative)('an answer in $name', (dialect) => {
  const translation = translationOf(dialect)

  it('is read as it was written', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const body = JSON.parse(JSON.stringify(translation.writeAnswer(answer, asked))) as JsonBody
        const exact = answer.parts.some((part) => part.type === 'tool-call' && hasLongNumber(part.arguments))
        fc.pre(!exact || dialect.name !== 'anthropic-messages')
        expect(comparable(translation.readAnswer(body))).toEqual(comparable(answer))
      }),
      { numRuns: 200 },
    )
  })

  it('is read from a stream as it was written', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        expect(comparable(streamed(answer, translation))).toEqual(comparable(answer))
      }),
      { numRuns: 200 },
    )
  })
})
