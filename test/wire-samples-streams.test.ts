import { readFileSync } from 'node:fs'
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { Router } from '@signalbox/core'
import { chunk, cut, json, lastChunk, sse, streamHead } from '@signalbox/testkit'
import { collect } from './support/caller.ts'
import { type Wire, wires } from './support/dialects.ts'
import { anthropicClient, openaiClient } from './support/mounts.ts'
import { routerFor, upstreamThat } from './support/routers.ts'
import {
  type Heard,
  type Sample,
  contentOf,
  counted,
  countsOfCompletion,
  heardInMessage,
  heardInResponse,
  question,
  reached,
  routerPlaying,
} from './support/wire-samples.ts'

const samples: readonly Sample[] = [
  {
    file: 'anthropic-thinking',
    dialect: 'anthropic-messages',
    text: 'The day train is 95 minutes faster → take it.',
    calls: [],
    thought: 'Zürich to Graz: the sleeper takes 10 h 20 min, the day train 8 h 45 min.\n\nSo day − night = −95 min.',
    stop: 'end',
    counts: [118, 2304, 71],
  },
  {
    file: 'anthropic-tool-no-args',
    dialect: 'anthropic-messages',
    text: 'One moment: I am refreshing the departure board.',
    calls: [{ name: 'refresh_board', input: {} }],
    thought: '',
    stop: 'tools',
    counts: [431, 0, 39],
  },
  {
    file: 'deepseek-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: [{ name: 'departures', input: { station: 'Graz Hbf', limit: 3 } }],
    thought: 'Departures are asked for, so I look up "Graz Hbf" – the main station.',
    stop: 'tools',
    counts: [27, 448, 64],
  },
  {
    file: 'groq-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: [
      { name: 'list_stations', input: {} },
      { name: 'departures', input: { station: 'Köflach', limit: 2 } },
    ],
    thought: '',
    stop: 'tools',
    counts: [305, 0, 37],
  },
  {
    file: 'mistral-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: [{ name: 'fare', input: { from: 'Graz', to: 'Wörgl', seniors: 2 } }],
    thought: '',
    stop: 'tools',
    counts: [96, 0, 28],
  },
  {
    file: 'mistral-tool-call-pieces',
    dialect: 'openai-chat',
    text: '',
    calls: [{ name: 'fare', input: { from: 'Graz', to: 'Bregenz' } }],
    thought: '',
    stop: 'tools',
    counts: [51, 160, 23],
  },
  {
    file: 'mistral-reasoning',
    dialect: 'openai-chat',
    text: 'Together they pay 14 €.',
    calls: [],
    thought: 'Half fare for both children: 2 × 7 € = 14 €.',
    stop: 'end',
    counts: [34, 0, 52],
  },
  {
    file: 'openai-reasoning',
    dialect: 'openai-responses',
    text: '',
    calls: [{ name: 'delay_of', input: { train: 'RJ 559', day: 'today' } }],
    thought: '**Looking up the delay**\n\nRailjet 559 runs daily — I ask for today.',
    stop: 'tools',
    counts: [179, 1024, 90],
  },
]

function eventsOf({ file, dialect }: Sample): string {
  const lines = readFileSync(new URL(`fixtures/wire/${file}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
  const events = lines.map((line) => {
    const { type } = JSON.parse(line) as { type?: string }
    return sse(line, type === undefined ? {} : { event: type })
  })
  return [...events, ...(dialect === 'openai-chat' ? [sse('[DONE]')] : [])].join('')
}

/** A router to an upstream that plays the sample, its bytes cut everywhere. */
const playing = (sample: Sample) =>
  routerPlaying(sample, [streamHead(), cut(eventsOf(sample), { every: 11 }).map(chunk), lastChunk()])

interface HeardStream extends Heard {
  /** What the caller sends back in the next turn. */
  readonly said: unknown
}

type Piece = OpenAI.ChatCompletionChunk.Choice.Delta.ToolCall
type Delta = OpenAI.ChatCompletionChunk.Choice.Delta & {
  readonly reasoning_content?: string | null
  readonly reasoning_details?: readonly unknown[]
}

/** The text, or the thoughts, in a piece. Mistral writes its thoughts as parts of the content, which pass through as they came. */
function partsOf({ content }: Delta, kind: 'text' | 'thinking'): string {
  if (!Array.isArray(content)) return kind === 'text' ? (content ?? '') : ''
  const parts = content as { type: string; text?: string; thinking?: { text: string }[] }[]
  const own = parts.filter(({ type }) => type === kind)
  return own.map(({ text = '', thinking = [] }) => text + thinking.map((part) => part.text).join('')).join('')
}

/** Each official client as it hears a stream. */
const listeners: Readonly<Record<Wire['name'], (router: Router) => Promise<HeardStream>>> = {
  async 'openai-chat'(router) {
    const client = openaiClient(reached(router))
    const withUsage = { stream: true, stream_options: { include_usage: true } } as const
    const chunks = await collect(
      await client.chat.completions.create({ model: 'auto', messages: [question], ...withUsage }),
    )
    const deltas = chunks.flatMap(({ choices }) => (choices[0] ? [choices[0].delta as Delta] : []))
    const joined = (read: (delta: Delta) => string | null | undefined) => deltas.map((one) => read(one) ?? '').join('')
    const pieces = deltas.flatMap(({ tool_calls: calls = [] }) => calls)
    const sent = [...new Set(pieces.map(({ index }) => index))].map((index) => {
      const own = pieces.filter((piece) => piece.index === index)
      const of = (read: (piece: Piece) => string | undefined) => own.map((piece) => read(piece) ?? '').join('')
      const called = { name: of((piece) => piece.function?.name), arguments: of((piece) => piece.function?.arguments) }
      return { id: own[0]!.id!, type: 'function', function: called }
    })
    const text = joined((delta) => partsOf(delta, 'text'))
    const thought = joined((delta) => delta.reasoning_content ?? partsOf(delta, 'thinking'))
    const details = deltas.flatMap((delta) => delta.reasoning_details ?? [])
    return {
      text,
      calls: sent.map((call) => ({ name: call.function.name, input: JSON.parse(call.function.arguments) as object })),
      thought,
      stop: chunks.some(({ choices }) => choices[0]?.finish_reason === 'tool_calls') ? 'tools' : 'end',
      counts: countsOfCompletion(chunks.findLast(({ usage }) => usage)?.usage),
      said: {
        role: 'assistant',
        content: text,
        ...(sent.length > 0 && { tool_calls: sent }),
        reasoning_content: thought,
        reasoning_details: details,
      },
    }
  },
  async 'anthropic-messages'(router) {
    const asked = { model: 'auto', max_tokens: 99, messages: [question] }
    const message = await anthropicClient(reached(router)).messages.stream(asked).finalMessage()
    return { ...heardInMessage(message), said: { role: 'assistant', content: message.content } }
  },
  async 'openai-responses'(router) {
    const asked = { model: 'auto', input: [question] }
    const response = await openaiClient(reached(router)).responses.stream(asked).finalResponse()
    return { ...heardInResponse(response), said: response.output }
  },
}

describe.each(samples)('a sample stream: $file', (sample) => {
  it.each(wires)('is heard whole in $name', async ({ name }) => {
    const { router, told } = await playing(sample)

    const { said: _said, ...heard } = await listeners[name](router)

    expect(heard).toEqual(contentOf(sample))
    expect(counted(told)).toEqual({ counts: sample.counts, estimated: false })
  })

  it('passes through byte for byte where the caller speaks the same', async () => {
    const { router } = await playing(sample)
    const path = {
      'openai-chat': 'chat/completions',
      'anthropic-messages': 'messages',
      'openai-responses': 'responses',
    }
    const asked = {
      model: 'auto',
      stream: true,
      messages: [question],
      input: [question],
      stream_options: { include_usage: true },
    }

    const answer = await router.fetch(`http://in.process/v1/${path[sample.dialect]}`, {
      method: 'POST',
      body: JSON.stringify(asked),
    })

    expect(await answer.text()).toBe(eventsOf(sample))
  })
})

describe('what a model thought', () => {
  // Every made-up proof has "Sample" in it, which is U2FtcGxl in base64.
  const proofs = {
    'anthropic-thinking': /"signature":"([^"]+)"/,
    'openai-reasoning': /"encrypted_content":"([^"]+)"/,
  } as const
  const cases = Object.entries(proofs).flatMap(([file, proof]) =>
    wires.map(({ name }) => ({ file, proof, name, sample: samples.find((one) => one.file === file)! })),
  )

  it.each(cases)('comes back to the provider with its proof in the next turn: $file by $name', async (one) => {
    const { name, sample, proof } = one
    const { router, upstream } = await playing(sample)
    const { said } = await listeners[name](router)

    const result = { call_id: 'c', output: 'sunny' }
    const next = {
      'openai-chat': { messages: [question, said, question] },
      'anthropic-messages': { max_tokens: 99, messages: [question, said, question] },
      'openai-responses': {
        input: [question, ...(Array.isArray(said) ? said : []), { type: 'function_call_output', ...result }],
      },
    }[name]
    await router.handle({ dialect: name, body: { model: 'auto', stream: true, ...next } })

    const sent = upstream.requests[1]!.body.toString()
    const all = [...eventsOf(sample).matchAll(new RegExp(proof, 'g'))].map(([, data]) => data!)
    expect(all.some((data) => sent.includes(data))).toBe(true)
    expect(sent).not.toContain('signalbox.')
  })

  it.each(cases)('is left out for a provider that cannot read it: $file by $name', async ({ name, sample }) => {
    const { router } = await playing(sample)
    const { said } = await listeners[name](router)
    const other = wires.find((wire) => wire.name !== sample.dialect && wire.name !== 'openai-chat')!
    const upstream = await upstreamThat(json({ error: { message: 'enough' } }, { status: 400 }))
    const next = routerFor({ models: { auto: other.model(upstream) }, retry: false })

    const body = {
      'openai-chat': { messages: [question, said, question] },
      'anthropic-messages': { max_tokens: 99, messages: [question, said, question] },
      'openai-responses': { input: [question, ...(Array.isArray(said) ? said : []), question] },
    }[name]
    await next.handle({ dialect: name, body: { model: 'auto', ...body } }).catch(() => undefined)

    expect(upstream.requests).toHaveLength(1)
    expect(upstream.requests[0]!.body.toString()).not.toMatch(/signalbox\.|U2FtcGxl|encrypted_content":"[^"]/)
  })
})
