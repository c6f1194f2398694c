import { readFileSync } from 'node:fs'
import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { Router } from '@signalbox/core'
import { chunk, cut, json, lastChunk, sse, streamHead } from '@signalbox/testkit'
import { collect } from './support/caller.ts'
import { type Wire, wires } from './support/dialects.ts'
import { anthropicClient, openaiClient } from './support/mounts.ts'
import { listenTo, routerFor, upstreamThat } from './support/routers.ts'

interface Call {
  readonly name: string
  readonly input: object
}

/** A recording (fixtures/wire/README.md), and what is in it. */
interface Recording {
  readonly file: string
  readonly dialect: Wire['name']
  readonly text: string
  readonly calls: readonly Call[]
  readonly thought: string
  readonly stop: 'end' | 'tools'
  /** Input, cached input, output with what was thought. */
  readonly counts: readonly [number, number, number]
}

const recordings: readonly Recording[] = [
  {
    file: 'anthropic-thinking',
    dialect: 'anthropic-messages',
    text: '925 ÷ 5 = 185',
    calls: [],
    thought: 'The previous result was 925. Now I need to divide that by 5.\n\n925 ÷ 5 = 185',
    stop: 'end',
    counts: [69, 0, 53],
  },
  {
    file: 'anthropic-tool-no-args',
    dialect: 'anthropic-messages',
    text: "I'll update the issue list for you.",
    calls: [{ name: 'updateIssueList', input: {} }],
    thought: '',
    stop: 'tools',
    counts: [565, 0, 48],
  },
  {
    file: 'deepseek-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: [{ name: 'weather', input: { location: 'San Francisco' } }],
    thought: 'The user',
    stop: 'tools',
    counts: [19, 320, 83],
  },
  {
    file: 'groq-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: [{ name: 'weather', input: {} }],
    thought: '',
    stop: 'tools',
    counts: [210, 0, 15],
  },
  {
    file: 'mistral-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: [{ name: 'webSearchTool', input: { query: 'current Berlin weather' } }],
    thought: '',
    stop: 'tools',
    counts: [43, 128, 14],
  },
  {
    file: 'mistral-reasoning',
    dialect: 'openai-chat',
    text: '2 + 2 = 4',
    calls: [],
    thought: 'The user is asking for 2+2.',
    stop: 'end',
    counts: [10, 0, 46],
  },
  {
    file: 'openai-reasoning',
    dialect: 'openai-responses',
    text: '',
    calls: [{ name: 'calculator', input: { a: 12, b: 7, op: 'add' } }],
    thought: '**',
    stop: 'tools',
    counts: [134, 0, 28],
  },
]

function eventsOf({ file, dialect }: Recording): string {
  const lines = readFileSync(new URL(`fixtures/wire/${file}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
  const events = lines.map((line) => {
    const { type } = JSON.parse(line) as { type?: string }
    return sse(line, type === undefined ? {} : { event: type })
  })
  return [...events, ...(dialect === 'openai-chat' ? [sse('[DONE]')] : [])].join('')
}

/** A router to an upstream that plays the recording, its bytes cut everywhere. */
async function playing(recording: Recording) {
  const script = [streamHead(), cut(eventsOf(recording), { every: 11 }).map(chunk), lastChunk()]
  const upstream = await upstreamThat(script)
  const wire = wires.find(({ name }) => name === recording.dialect)!
  const router = routerFor({ models: { auto: wire.model(upstream) } })
  return { router, upstream, told: listenTo(router) }
}

interface Heard extends Pick<Recording, 'text' | 'calls' | 'thought' | 'stop'> {
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

const reached = (router: Router) => ({ url: 'http://in.process/v1', fetch: router.fetch })
const question = { role: 'user' as const, content: 'hello' }

/** Each official client as it hears a stream. */
const listeners: Readonly<Record<Wire['name'], (router: Router) => Promise<Heard>>> = {
  async 'openai-chat'(router) {
    const client = openaiClient(reached(router))
    const chunks = await collect(
      await client.chat.completions.create({ model: 'auto', messages: [question], stream: true }),
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
    const client = anthropicClient(reached(router))
    const message = await client.messages.stream({ model: 'auto', max_tokens: 99, messages: [question] }).finalMessage()
    const { content, stop_reason: reason } = message
    const joined = (read: (block: Anthropic.ContentBlock) => string) => content.map(read).join('')
    return {
      text: joined((block) => (block.type === 'text' ? block.text : '')),
      calls: content.flatMap((block) =>
        block.type === 'tool_use' ? [{ name: block.name, input: block.input as object }] : [],
      ),
      thought: joined((block) => (block.type === 'thinking' ? block.thinking : '')),
      stop: reason === 'tool_use' ? 'tools' : 'end',
      said: { role: 'assistant', content },
    }
  },
  async 'openai-responses'(router) {
    const client = openaiClient(reached(router))
    const { output, output_text: text } = await client.responses
      .stream({ model: 'auto', input: [question] })
      .finalResponse()
    const calls = output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
    return {
      text,
      calls: calls.map((call) => ({ name: call.name, input: JSON.parse(call.arguments) as object })),
      thought: output
        .flatMap((item) => (item.type === 'reasoning' ? item.summary.map((part) => part.text) : []))
        .join(''),
      stop: calls.length > 0 ? 'tools' : 'end',
      said: output,
    }
  },
}

describe.each(recordings)('a recorded stream: $file', (recording) => {
  it.each(wires)('is heard whole in $name', async ({ name }) => {
    const { router, told } = await playing(recording)

    const { text, calls, thought, stop } = await listeners[name](router)

    expect({ text, calls, stop }).toEqual({ text: recording.text, calls: recording.calls, stop: recording.stop })
    expect(thought.startsWith(recording.thought)).toBe(true)
    const { usage, estimated } = told.find(({ event }) => event === 'call.ended')!.payload.ended
    expect(estimated).toBe(false)
    const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens } = usage
    expect([inputTokens, cachedInputTokens, outputTokens + reasoningTokens]).toEqual(recording.counts)
  })

  it('passes through byte for byte where the caller speaks the same', async () => {
    const { router } = await playing(recording)
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

    const answer = await router.fetch(`http://in.process/v1/${path[recording.dialect]}`, {
      method: 'POST',
      body: JSON.stringify(asked),
    })

    expect(await answer.text()).toBe(eventsOf(recording))
  })
})

describe('what a model thought', () => {
  const proofs = {
    'anthropic-thinking': /"signature":"(EvQB[^"]+)"/,
    'openai-reasoning': /"encrypted_content":"([^"]+)"/,
  } as const
  const cases = Object.entries(proofs).flatMap(([file, proof]) =>
    wires.map(({ name }) => ({ file, proof, name, recording: recordings.find((one) => one.file === file)! })),
  )

  it.each(cases)('comes back to the provider with its proof in the next turn: $file by $name', async (one) => {
    const { name, recording, proof } = one
    const { router, upstream } = await playing(recording)
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
    const all = [...eventsOf(recording).matchAll(new RegExp(proof, 'g'))].map(([, data]) => data!)
    expect(all.some((data) => sent.includes(data))).toBe(true)
    expect(sent).not.toContain('signalbox.')
  })

  it.each(cases)('is left out for a provider that cannot read it: $file by $name', async ({ name, recording }) => {
    const { router } = await playing(recording)
    const { said } = await listeners[name](router)
    const other = wires.find((wire) => wire.name !== recording.dialect && wire.name !== 'openai-chat')!
    const upstream = await upstreamThat(json({ error: { message: 'enough' } }, { status: 400 }))
    const next = routerFor({ models: { auto: other.model(upstream) }, retry: false })

    const body = {
      'openai-chat': { messages: [question, said, question] },
      'anthropic-messages': { max_tokens: 99, messages: [question, said, question] },
      'openai-responses': { input: [question, ...(Array.isArray(said) ? said : []), question] },
    }[name]
    await next.handle({ dialect: name, body: { model: 'auto', ...body } }).catch(() => undefined)

    expect(upstream.requests).toHaveLength(1)
    expect(upstream.requests[0]!.body.toString()).not.toMatch(/signalbox\.|EvQB|encrypted_content":"[^"]/)
  })
})
