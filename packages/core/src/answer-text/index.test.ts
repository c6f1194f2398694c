import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AnswerTextOptions, type DialectName, type Reply, mapAnswerText, plainReply, readBody } from '../index.ts'
import { streamOf, streamReply } from '../reply.ts'

/** An answer that says a text in these pieces, thinks, and gives a tool something, as a dialect has it. */
interface Wire {
  readonly dialect: DialectName
  plain(said: string): object
  /** Its events by their names. */
  events(pieces: readonly string[]): readonly (readonly [name: string | undefined, event: object])[]
  /** What is said in an event: a piece, or the whole again. */
  piece(event: Json): string | undefined
  whole(event: Json): string | undefined
  /** A sign of life. */
  readonly ping: string
}

// oxlint-disable-next-line typescript/no-explicit-any -- a test reads what it knows to be there
type Json = any

const thought = 'a falcon, I think'
const toolArguments = '{"bird":"falcon"}'

const chat: Wire = {
  dialect: 'openai-chat',
  plain: (content) => ({
    choices: [
      {
        index: 0,
        message: {
          content,
          reasoning_content: thought,
          tool_calls: [{ id: 'falcon', function: { name: 'falcon', arguments: toolArguments } }],
        },
        logprobs: { content: [{ token: 'falcon' }] },
        finish_reason: 'stop',
      },
    ],
  }),
  events: (pieces) => [
    ...[
      { role: 'assistant', content: '' },
      { reasoning_content: thought },
      ...pieces.map((content) => ({ content })),
    ].map((delta) => [undefined, { choices: [{ index: 0, delta, finish_reason: null }] }] as const),
    [
      undefined,
      { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: toolArguments } }] } }] },
    ],
    [undefined, { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }],
    [undefined, { choices: [], usage: { total_tokens: 3 } }],
  ],
  piece: ({ choices }) => choices[0]?.delta.content,
  whole: () => undefined,
  ping: ': ping\n\n',
}

const block = (content_block: object) => ({ type: 'content_block_start', index: 1, content_block })
const toolUse = { type: 'tool_use', id: 'falcon', name: 'falcon', input: JSON.parse(toolArguments) as object }
const messages: Wire = {
  dialect: 'anthropic-messages',
  plain: (text) => ({
    type: 'message',
    content: [{ type: 'thinking', thinking: thought, signature: 'falcon' }, { type: 'text', text }, toolUse],
  }),
  events: (pieces) =>
    [
      { type: 'message_start', message: { content: [] } },
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: thought } },
      { type: 'content_block_stop', index: 0 },
      block({ type: 'text', text: '' }),
      ...pieces.map((text) => ({ type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text } })),
      { type: 'content_block_stop', index: 1 },
      { ...block({ ...toolUse, input: {} }), index: 2 },
      { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: toolArguments } },
      { type: 'content_block_stop', index: 2 },
      { type: 'message_stop' },
    ].map((event) => [event.type, event]),
  piece: ({ delta }) => delta?.text,
  whole: () => undefined,
  ping: 'event: ping\ndata: {"type":"ping"}\n\n',
}

const items = (text: string) => [
  {
    type: 'reasoning',
    summary: [{ type: 'summary_text', text: thought }],
    content: [{ type: 'reasoning_text', text: thought }],
  },
  { type: 'message', content: [{ type: 'output_text', text, annotations: [] }] },
  { type: 'function_call', name: 'falcon', arguments: toolArguments },
]
const responses: Wire = {
  dialect: 'openai-responses',
  plain: (text) => ({ object: 'response', instructions: 'falcon', output: items(text) }),
  events: (pieces) =>
    [
      { type: 'response.created', response: { output: [], metadata: { text: 'falcon' } } },
      { type: 'response.reasoning_summary_text.delta', output_index: 0, delta: thought },
      ...pieces.map((delta) => ({ type: 'response.output_text.delta', output_index: 1, content_index: 0, delta })),
      { type: 'response.output_text.done', output_index: 1, content_index: 0, text: pieces.join('') },
      { type: 'response.output_item.done', output_index: 1, item: items(pieces.join(''))[1] },
      { type: 'response.function_call_arguments.delta', output_index: 2, delta: toolArguments },
      { type: 'response.completed', response: { output: items(pieces.join('')) } },
    ].map((event) => [event.type, event]),
  piece: ({ type, delta }) => (type === 'response.output_text.delta' ? delta : undefined),
  whole: ({ type, text, item, response }) => {
    if (type === 'response.output_text.done') return text
    if (type === 'response.output_item.done') return item.content[0].text
    return type === 'response.completed' ? response.output[1].content[0].text : undefined
  },
  ping: ': ping\n\n',
}
const wires = [chat, messages, responses]

const written = ([name, event]: readonly [string | undefined, object]) =>
  `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(event)}\n\n`
const sse = (events: readonly (readonly [string | undefined, object])[]) => events.map(written)
const eventsIn = (text: string): Json[] => [...text.matchAll(/^data: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json!))

const head = (dialect: DialectName) => ({ status: 200, headers: {}, dialect, model: 'a' })
const plain = (dialect: DialectName, body: object): Reply =>
  plainReply({ ...head(dialect), body: Buffer.from(JSON.stringify(body)) })
const streamed = (dialect: DialectName, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Reply =>
  streamReply({ ...head(dialect), body: streamOf(chunks) })
const textOf = async (reply: Reply) => Buffer.from(await readBody(reply)).toString()
const cut = (text: string, size: number) => {
  const bytes = Buffer.from(text)
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))
}

const mask = (text: string) => text.replaceAll(/falcon/gi, '🦅 bird')
const unfinishedWord: AnswerTextOptions = { hold: (text) => /\w*$/.exec(text)![0].length }
const masked = (reply: Reply) => mapAnswerText(reply, mask, unfinishedWord)

describe.each(wires)('an answer in $dialect', (wire) => {
  it('has what the model says changed, and nothing else', async () => {
    const reply = masked(plain(wire.dialect, wire.plain('The Falcon flies')))
    expect(JSON.parse(await textOf(reply))).toEqual(wire.plain('The 🦅 bird flies'))
  })

  it('goes on as it came where nothing changes', async () => {
    const odd = Buffer.from(`${JSON.stringify(wire.plain('The dove flies')).slice(0, -1)}, "n" : 1.0 }`)
    expect(await textOf(masked(plainReply({ ...head(wire.dialect), body: odd })))).toBe(odd.toString())
    const stream = sse(wire.events(['The', ' dove', ' flies', ' ', ''])).join('')
    expect(await textOf(mapAnswerText(streamed(wire.dialect, cut(stream, 7)), mask))).toBe(stream)
  })

  it('has it in a stream, wherever a word or a chunk is cut, with every event once and in its place', async () => {
    const word = fc.constantFrom('falcon', 'Falcon', 'fal', 'con', ' ', 'où', '😀', 'f', '"', '\n')
    const pieces = fc.array(word, { minLength: 1, maxLength: 12 }).chain((words) => {
      const said = `« ${words.join('')}`
      const places = fc.array(fc.nat(said.length), { maxLength: 6 })
      return places.map((at) => {
        const sorted = [0, ...at.toSorted((a, b) => a - b), said.length]
        return sorted.slice(1).map((end, index) => said.slice(sorted[index], end))
      })
    })
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 400 }), async (said, size) => {
        const before = sse(wire.events(said))
        const text = await textOf(masked(streamed(wire.dialect, cut(before.join(''), size))))
        const after = eventsIn(text)
        expect(after.map((event) => wire.piece(event) ?? '').join('')).toBe(mask(said.join('')))
        for (const whole of after.map(wire.whole)) expect([undefined, mask(said.join(''))]).toContain(whole)
        const without = (event: Json) =>
          JSON.stringify(event, (_key, value: unknown) =>
            value === wire.piece(event) || value === wire.whole(event) ? '' : value,
          )
        expect(after.map(without)).toEqual(eventsIn(before.join('')).map(without))
        expect(text.match(/^event: .*$/gm)).toEqual(before.join('').match(/^event: .*$/gm))
      }),
      { numRuns: 150 },
    )
  })

  it('holds back what may go on until it does, and neither a sign of life nor a word without an end', async () => {
    const endless = Array.from({ length: 40 }, () => 'x'.repeat(10))
    const events = sse(wire.events(['The', ' fal', 'con', ' ', ...endless]))
    let sent = 0
    const pings: number[] = []
    async function* source() {
      for (const event of events) {
        sent++
        yield Buffer.from(event)
        yield Buffer.from(wire.ping)
      }
    }
    const came: { readonly at: number; readonly said: string }[] = []
    for await (const chunk of masked(streamed(wire.dialect, source())).body as AsyncIterable<Uint8Array>) {
      const text = Buffer.from(chunk).toString()
      if (text.includes(wire.ping)) pings.push(sent)
      const whole = eventsIn(text).filter(({ type }) => type !== 'ping')
      came.push(...whole.map((event) => ({ at: sent - 1, said: wire.piece(event) ?? '' })))
    }
    expect(pings).toEqual(events.map((_event, index) => index + 1))
    expect(Math.max(...came.map(({ at }, index) => at - index))).toBe(1)
    expect(came.map(({ said }) => said).join('')).toBe(`The 🦅 bird ${endless.join('')}`)
    expect(came.map(({ said }) => said.length).filter((length) => length > 100)).toEqual([260, 140])
  })
})

describe('mapAnswerText', () => {
  const content = (text: string) => ({ choices: [{ index: 0, delta: { content: text } }] })

  it('changes refusals and the parts of a list, and tells the choices of an answer apart', async () => {
    const parts = [
      { type: 'text', text: 'falcon' },
      { type: 'thinking', thinking: [{ type: 'text', text: 'falcon' }] },
    ]
    const message = { content: parts, refusal: 'no falcon' }
    const reply = mapAnswerText(plain('openai-chat', { choices: [{ index: 0, message }] }), mask)
    expect(JSON.parse(await textOf(reply))).toEqual({
      choices: [
        { index: 0, message: { content: [{ type: 'text', text: '🦅 bird' }, parts[1]], refusal: 'no 🦅 bird' } },
      ],
    })
    const of = (index: number, text: string) => [undefined, { choices: [{ index, delta: { content: text } }] }] as const
    const stream = sse([of(0, 'fal'), of(1, 'a con'), of(0, 'con'), of(1, ' '), of(0, ' ')]).join('')
    const after = eventsIn(await textOf(masked(streamed('openai-chat', [Buffer.from(stream)]))))
    const said = (wanted: number) =>
      after
        .flatMap(({ choices }) => choices)
        .filter(({ index }) => index === wanted)
        .map(({ delta }) => delta.content)
        .join('')
    expect([said(0), said(1)]).toEqual(['🦅 bird ', 'a con '])
  })

  it('changes one of the texts of an event', async () => {
    const choices = ['falcon', 'dove'].map((text, index) => ({ index, delta: { content: text } }))
    const stream = streamed('openai-chat', [Buffer.from(written([undefined, { choices }]))])
    expect(eventsIn(await textOf(mapAnswerText(stream, mask)))).toEqual([
      { choices: [{ index: 0, delta: { content: '🦅 bird' } }, choices[1]] },
    ])
  })

  it('waits for nothing behind the end of an answer', async () => {
    let isOver = false
    async function* source() {
      yield Buffer.from(written([undefined, content('a fal')]))
      yield Buffer.from('data: [DONE]\n\n')
      isOver = true
    }
    for await (const chunk of masked(streamed('openai-chat', source())).body as AsyncIterable<Uint8Array>) {
      expect(isOver).toBe(false)
      expect(Buffer.from(chunk).toString()).toContain('a fal')
    }
  })

  it('lets a text that does not go on hold back no more than 32 events of others', async () => {
    const of = (index: number, text: string) => written([undefined, { choices: [{ index, delta: { content: text } }] }])
    let sent = 0
    async function* source() {
      for (const event of [of(0, 'a fal'), ...Array.from({ length: 40 }, () => of(1, ' '))]) {
        sent++
        yield Buffer.from(event)
      }
    }
    const came: number[] = []
    for await (const chunk of masked(streamed('openai-chat', source())).body as AsyncIterable<Uint8Array>)
      came.push(...eventsIn(Buffer.from(chunk).toString()).map(() => sent))
    expect(came).toEqual([...Array.from({ length: 33 }, () => 33), 34, 35, 36, 37, 38, 39, 40, 41])
  })

  it('changes what it is told is text, and says how a value is written inside of JSON', async () => {
    const shout = (text: string, write: (value: string) => string) => text.replace('falcon', write('"bird"'))
    const isText = (field: string) => field === 'arguments' || field === 'input' || field === 'partial_json'
    const changed = mapAnswerText(plain('openai-chat', chat.plain('falcon')), shout, { isText })
    const [{ message }] = JSON.parse(await textOf(changed)).choices
    expect(message.content).toBe('falcon')
    expect(JSON.parse(message.tool_calls[0].function.arguments)).toEqual({ bird: '"bird"' })
    const inTool = mapAnswerText(plain('anthropic-messages', messages.plain('falcon')), shout, { isText })
    expect(JSON.parse(await textOf(inTool)).content.slice(1)).toEqual([
      { type: 'text', text: 'falcon' },
      { ...toolUse, input: { bird: '"bird"' } },
    ])
    const pieces = mapAnswerText(streamed('anthropic-messages', sse(messages.events([])).map(Buffer.from)), shout, {
      isText,
    })
    const delta = eventsIn(await textOf(pieces)).find((event) => event.delta?.partial_json !== undefined)
    expect(JSON.parse(delta.delta.partial_json)).toEqual({ bird: '"bird"' })
    const isDelta = (field: string, { type }: { readonly type?: unknown }) =>
      field === 'delta' && type === 'response.function_call_arguments.delta'
    const call = streamed('openai-responses', sse(responses.events(['falcon'])).map(Buffer.from))
    const changes = eventsIn(await textOf(mapAnswerText(call, shout, { isText: isDelta })))
    expect(changes.map((event) => responses.piece(event) ?? '').join('')).toBe('falcon')
    const piece = changes.find(({ type }) => type === 'response.function_call_arguments.delta')
    expect(JSON.parse(piece.delta)).toEqual({ bird: '"bird"' })
  })

  it('keeps numbers that are too long for a double, comments, names of events, and any line ends', async () => {
    const long = '{"choices":[{"index":0,"delta":{"content":"falcon"},"n":12345678901234567890}]}'
    const event = `: a comment\r\nid: 7\r\ndata: ${long}\r\n\r\n`
    expect(await textOf(mapAnswerText(streamed('openai-chat', [Buffer.from(event)]), mask))).toBe(
      `: a comment\nid: 7\ndata: ${long.replace('falcon', '🦅 bird')}\n\n`,
    )
    const body = long.replace('delta', 'message')
    const reply = plainReply({ ...head('openai-chat'), body: Buffer.from(body) })
    const isText = () => true
    expect(await textOf(mapAnswerText(reply, (text) => mask(text).replace('1', '2'), { isText }))).toBe(
      body.replace('falcon', '🦅 bird'),
    )
  })

  it.each([
    ['an end without an empty line', 'data: [DONE]'],
    ['an event that is no JSON', 'data: {oops\n\n'],
    ['an error', 'data: {"error":{"message":"falcon"}}\n\n'],
  ])('gives what waits before %s, and that as it came', async (_what, end) => {
    const begun = written([undefined, content('a fal')])
    expect(await textOf(masked(streamed('openai-chat', [Buffer.from(begun + end)])))).toBe(begun + end)
  })

  it('changes a last event that no empty line ends', async () => {
    const last = written([undefined, content('con')])
    const stream = Buffer.from(written([undefined, content('a fal')]) + last.trimEnd())
    const text = await textOf(masked(streamed('openai-chat', [stream])))
    expect(eventsIn(text).map(({ choices }) => choices[0].delta.content)).toEqual(['a ', '🦅 bird'])
  })

  it.each([': bye', 'da', 'event: mess', ' \n', 'data: {"type":"ping"}'])(
    'gives what waits before a beginning that says nothing: %j',
    async (rest) => {
      const begun = written([undefined, content('the fal')])
      expect(await textOf(masked(streamed('openai-chat', [Buffer.from(begun + rest)])))).toBe(begun + rest)
    },
  )

  it('leaves embeddings, and a body that is no JSON', async () => {
    const embeddings = plain('openai-embeddings', { data: [{ content: 'falcon' }] })
    expect(mapAnswerText(embeddings, mask, { isText: () => true })).toBe(embeddings)
    const text = plainReply({ ...head('openai-chat'), body: Buffer.from('falcon') })
    expect(await textOf(mapAnswerText(text, mask))).toBe('falcon')
  })

  it('keeps the end and the way out of the reply that it was given', async () => {
    let isOver = false
    async function* source() {
      try {
        for (;;) yield Buffer.from(written([undefined, content('falcon ')]))
      } finally {
        isOver = true
      }
    }
    const given = streamed('openai-chat', source())
    const reply = masked(given)
    expect([reply.ended, reply.cancel]).toEqual([given.ended, given.cancel])
    for await (const chunk of reply.body as AsyncIterable<Uint8Array>) {
      expect(Buffer.from(chunk).toString()).toContain('🦅 bird ')
      break
    }
    expect(isOver).toBe(true)
  })
})
