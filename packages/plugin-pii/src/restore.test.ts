import type { DialectName } from '@signalbox/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import pii from './index.ts'
import { type Json, ask, routerFor } from './testing/ask.ts'

/** How a dialect asks, answers and streams. */
interface Wire {
  readonly dialect: DialectName
  ask(prompt: string): object
  plain(text: string, toolArguments: string): object
  /** The events of a stream that says a text and then calls a tool, each in these pieces. */
  events(text: readonly string[], toolArguments: readonly string[]): readonly object[]
  textOf(plain: Json): string
  argumentsOf(plain: Json): string
  /** A piece of the text in an event. */
  textIn(event: Json): string
  argumentsIn(event: Json): string
  /** Everything else that an event repeats of the whole. */
  wholeIn(event: Json): readonly string[]
  readonly terminator: string
}

const toolUse = (input: unknown) => ({ type: 'tool_use', id: 't', name: 'mail', input })
const message = (text: string) => ({
  type: 'message',
  id: 'm',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
})
const functionCall = (written: string) => ({
  type: 'function_call',
  id: 'f',
  call_id: 'c',
  name: 'mail',
  arguments: written,
})
const outputOf = ({ output }: Json, type: string): Json => output.find((item: Json) => item.type === type)

const wires: readonly Wire[] = [
  {
    dialect: 'openai-chat',
    ask: (content) => ({ messages: [{ role: 'user', content }] }),
    plain: (content, written) => ({
      choices: [{ index: 0, message: { content, tool_calls: [{ function: { name: 'mail', arguments: written } }] } }],
    }),
    events: (text, written) => [
      { choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] },
      ...text.map((content) => ({ choices: [{ index: 0, delta: { content } }] })),
      ...written.map((piece) => ({
        choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: piece } }] } }],
      })),
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      { choices: [], usage: { total_tokens: 3 } },
    ],
    textOf: ({ choices }) => choices[0].message.content,
    argumentsOf: ({ choices }) => choices[0].message.tool_calls[0].function.arguments,
    textIn: ({ choices }) => choices[0]?.delta.content ?? '',
    argumentsIn: ({ choices }) => choices[0]?.delta.tool_calls?.[0].function.arguments ?? '',
    wholeIn: () => [],
    terminator: 'data: [DONE]\n\n',
  },
  {
    dialect: 'anthropic-messages',
    ask: (content) => ({ max_tokens: 9, messages: [{ role: 'user', content }] }),
    plain: (text, written) => ({ content: [{ type: 'text', text }, toolUse(JSON.parse(written))] }),
    events: (text, written) => [
      { type: 'message_start', message: { content: [] } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'ping' },
      ...text.map((piece) => ({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'text_delta', text: piece },
      })),
      { type: 'content_block_stop', index: 0 },
      { type: 'content_block_start', index: 1, content_block: toolUse({}) },
      ...written.map((piece) => ({
        type: 'content_block_delta',
        index: 1,
        delta: { type: 'input_json_delta', partial_json: piece },
      })),
      { type: 'content_block_stop', index: 1 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
      { type: 'message_stop' },
    ],
    textOf: ({ content }) => content[0].text,
    argumentsOf: ({ content }) => JSON.stringify(content[1].input),
    textIn: ({ delta }) => delta?.text ?? '',
    argumentsIn: ({ delta }) => delta?.partial_json ?? '',
    wholeIn: () => [],
    terminator: '',
  },
  {
    dialect: 'openai-responses',
    ask: (input) => ({ input }),
    plain: (text, written) => ({ status: 'completed', output: [message(text), functionCall(written)] }),
    events: (text, written) =>
      [
        { type: 'response.created', response: { output: [] } },
        { type: 'response.output_item.added', output_index: 0, item: message('') },
        ...text.map((delta) => ({ type: 'response.output_text.delta', output_index: 0, content_index: 0, delta })),
        { type: 'response.output_text.done', output_index: 0, content_index: 0, text: text.join('') },
        { type: 'response.output_item.done', output_index: 0, item: message(text.join('')) },
        ...written.map((delta) => ({ type: 'response.function_call_arguments.delta', output_index: 1, delta })),
        { type: 'response.function_call_arguments.done', output_index: 1, arguments: written.join('') },
        {
          type: 'response.completed',
          response: { output: [message(text.join('')), functionCall(written.join(''))] },
        },
      ].map((event, sequence) => ({ ...event, sequence_number: sequence })),
    textOf: (plain) => outputOf(plain, 'message').content[0].text,
    argumentsOf: (plain) => outputOf(plain, 'function_call').arguments,
    textIn: ({ type, delta }) => (type === 'response.output_text.delta' ? delta : ''),
    argumentsIn: ({ type, delta }) => (type === 'response.function_call_arguments.delta' ? delta : ''),
    wholeIn: ({ type, text, item, response }) => {
      if (type === 'response.output_text.done') return [text]
      if (type === 'response.output_item.done') return [item.content[0].text]
      return type === 'response.completed' ? [outputOf(response, 'message').content[0].text] : []
    },
    terminator: '',
  },
]

const sse = (events: readonly object[]) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
const eventsOf = (text: string): Json[] =>
  text.split('\n\n').flatMap((event) => (event.startsWith('data: {') ? [JSON.parse(event.slice(6))] : []))

const prompt = 'mail ada@example.com and bob@example.com about "Ada" '
/** What the model says. Not all of it that looks like a pseudonym is one. */
const said = 'Où 😀 [EMAIL_1], [EMAIL_2][EMAIL_1] and [EMAI or [X] or [EMAIL_1'
const read = 'Où 😀 ada@example.com, bob@example.comada@example.com and [EMAI or [X] or [EMAIL_1'
const written = '{"to":"[EMAIL_2]","about":"[NAME_1]"}'
const given = { to: 'bob@example.com', about: '"Ada" ' }
const withNames = () => pii({ further: [{ label: 'NAME', pattern: /"Ada"\s/g }] })

const asking = (wire: Wire) => ({ dialect: wire.dialect, ...wire.ask(prompt) })

const cutsOf = (text: string) =>
  fc.array(fc.nat({ max: text.length }), { maxLength: 12 }).map((cuts) => {
    const ends = [...new Set([0, ...cuts, text.length])].toSorted((one, other) => one - other)
    return ends.slice(1).map((end, index) => text.slice(ends[index], end))
  })
/** Where bytes are cut: inside an event, a line or a character. */
const chunksOf = (bytes: Uint8Array, sizes: readonly number[]) => {
  const chunks: Uint8Array[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = at + sizes[turn % sizes.length]!
    chunks.push(bytes.subarray(at, end))
    at = end
  }
  return chunks
}
const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 })

describe.each(wires)('an answer in $dialect', (wire) => {
  it('has the values again, where it is plain', async () => {
    const { text } = await ask(asking(wire), wire.plain(said, written), withNames())
    const plain = JSON.parse(text)
    expect(wire.textOf(plain)).toBe(read)
    expect(JSON.parse(wire.argumentsOf(plain))).toEqual(given)
  })

  it('has them in a stream, wherever it is cut, and every event once, in its place and otherwise untouched', async () => {
    await fc.assert(
      fc.asyncProperty(cutsOf(said), cutsOf(written), sizes, async (pieces, parts, bytes) => {
        const events = wire.events(pieces, parts)
        const chunks = chunksOf(Buffer.from(sse(events) + wire.terminator), bytes)
        const { text } = await ask(asking(wire), chunks, withNames())
        const came = eventsOf(text)
        expect(came.map(wire.textIn).join('')).toBe(read)
        expect(JSON.parse(came.map(wire.argumentsIn).join(''))).toEqual(given)
        expect(new Set(came.flatMap(wire.wholeIn))).toEqual(
          new Set(came.some((one) => wire.wholeIn(one).length > 0) ? [read] : []),
        )
        expect(came.filter(isPing).length).toBe(events.filter(isPing).length)
        const frame = (event: Json) => JSON.stringify(event, withoutTexts)
        expect(came.filter((one) => !isPing(one)).map(frame)).toEqual(events.filter((one) => !isPing(one)).map(frame))
        expect(text.endsWith(wire.terminator)).toBe(true)
      }),
      { numRuns: 150 },
    )
  })

  it('comes as soon as it may: only what may be cut inside a pseudonym waits', async () => {
    const events = wire.events(['Hi [EMA', 'IL_1] there', ' and on'], ['{}']).filter((event) => !isPing(event))
    const writes: string[] = []
    const chunks = (async function* chunksSeen() {
      for (const event of events) {
        yield Buffer.from(sse([event]))
        writes.push('')
      }
    })()
    const router = routerFor(() => chunks)
    const reply = await router.handle({ dialect: wire.dialect, body: { model: 'a', ...wire.ask(prompt) } })
    const lags: number[] = []
    for await (const chunk of reply.body as AsyncIterable<Uint8Array>)
      for (const _ of eventsOf(Buffer.from(chunk).toString())) lags.push(writes.length + 1 - lags.length - 1)
    await router.close()
    expect(lags).toHaveLength(events.length)
    expect(lags.filter((lag) => lag === 1)).toHaveLength(1)
    expect(lags.filter((lag) => lag === 0)).toHaveLength(events.length - 1)
  })
})

const isPing = (event: Json) => event.type === 'ping'
/** An event without its texts. */
const withoutTexts = (key: string, value: unknown) =>
  ['content', 'text', 'delta', 'arguments', 'partial_json'].includes(key) && typeof value === 'string' ? '' : value

describe('what a provider signed', () => {
  const wire = wires.find(({ dialect }) => dialect === 'anthropic-messages')!
  const block = { type: 'thinking', thinking: 'It is [EMAIL_1].', signature: 'c2ln' }

  it('stays as it was signed, and goes back so', async () => {
    const plain = await ask(asking(wire), { content: [block, { type: 'text', text: '[EMAIL_1]' }] })
    expect(JSON.parse(plain.text).content).toEqual([block, { type: 'text', text: 'ada@example.com' }])
    const event = { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'is [EMAIL_1' } }
    const streamed = await ask(asking(wire), [Buffer.from(sse([event]))])
    expect(eventsOf(streamed.text)).toEqual([event])
    const messages = [
      { role: 'user', content: prompt },
      { role: 'assistant', content: [block] },
    ]
    const { sent } = await ask({ dialect: wire.dialect, max_tokens: 9, messages }, { content: [] })
    expect(sent.messages[1].content).toEqual([block])
  })
})

describe('the next turn', () => {
  it.each(wires)('in $dialect takes out again what the last one got', async (wire) => {
    const { text } = await ask(asking(wire), wire.plain('To [EMAIL_2].', written))
    const answer = JSON.parse(text)
    const history = {
      'openai-chat': () => ({ messages: [{ role: 'user', content: prompt }, answer.choices[0].message] }),
      'anthropic-messages': () => ({
        max_tokens: 9,
        messages: [
          { role: 'user', content: prompt },
          { role: 'assistant', content: answer.content },
        ],
      }),
      'openai-responses': () => ({ input: [{ role: 'user', content: prompt }, ...answer.output] }),
    }[wire.dialect as 'openai-chat']()
    const { sent } = await ask({ dialect: wire.dialect, ...history }, wire.plain('', '{}'))
    expect(JSON.stringify(sent)).not.toContain('example.com')
    expect(JSON.stringify(sent)).toContain('[EMAIL_2]')
  })

  it('does not move the pseudonyms of what came before it', async () => {
    const turn = (...contents: readonly string[]) =>
      ask(
        {
          dialect: 'anthropic-messages',
          max_tokens: 9,
          system: 'c@example.com',
          messages: contents.map((content) => ({ role: 'user', content })),
        },
        { content: [] },
      )
    const [first, second] = [await turn('a@example.com'), await turn('a@example.com', 'b@example.com')]
    expect(second.sent.system).toBe(first.sent.system)
    expect(second.sent.messages[0]).toEqual(first.sent.messages[0])
  })
})

describe('a text that does not go on', () => {
  it('holds no stream back', async () => {
    const of = (index: number, content: string) => ({ choices: [{ index, delta: { content } }] })
    const events = [of(0, '[EMA'), ...Array.from({ length: 100 }, (_, at) => of(1, `${at} `))]
    const wire = wires[0]!
    let pulled = 0
    const counted = (function* pull() {
      for (const event of events) {
        pulled++
        yield Buffer.from(sse([event]))
      }
    })()
    const router = routerFor(() => counted)
    const reply = await router.handle({ body: { model: 'a', ...wire.ask(prompt) } })
    const firstAt: number[] = []
    let text = ''
    for await (const chunk of reply.body as AsyncIterable<Uint8Array>) {
      firstAt.push(pulled)
      text += Buffer.from(chunk).toString()
    }
    await router.close()
    expect(firstAt[0]).toBeLessThan(50)
    expect(eventsOf(text)).toEqual(events)
  })
})
