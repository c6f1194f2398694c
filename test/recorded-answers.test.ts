import { readFileSync } from 'node:fs'
import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { Router } from '@signalbox/core'
import { json } from '@signalbox/testkit'
import { type Wire, wires } from './support/dialects.ts'
import { anthropicClient, openaiClient } from './support/mounts.ts'
import { listenTo, routerFor, upstreamThat } from './support/routers.ts'

/** What is in an answer, as any client hears it. */
interface Heard {
  /** How it begins. */
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly input: object }[]
  /** How it begins. */
  readonly thought: string
  readonly stop: 'end' | 'tools'
}

/** A recording (fixtures/wire/README.md), and what is in it. */
interface Recording extends Heard {
  readonly file: string
  readonly dialect: Wire['name']
  /** Input, cached input, output with what was thought. */
  readonly counts: readonly [number, number, number]
}

const weather = [{ name: 'weather', input: { location: 'San Francisco' } }]

const recordings: readonly Recording[] = [
  {
    file: 'anthropic-thinking',
    dialect: 'anthropic-messages',
    text: '925 ÷ 5 = 185',
    calls: [],
    thought: '925 divided by 5 = 185',
    stop: 'end',
    counts: [69, 0, 33],
  },
  {
    file: 'anthropic-tool-no-args',
    dialect: 'anthropic-messages',
    text: '<thinking>\nThe up',
    calls: [{ name: 'updateIssueList', input: {} }],
    thought: '',
    stop: 'tools',
    counts: [602, 0, 93],
  },
  {
    file: 'openai-text',
    dialect: 'openai-chat',
    text: '**Holiday Name:** Galaxy Day',
    calls: [],
    thought: '',
    stop: 'end',
    counts: [16, 0, 363],
  },
  {
    file: 'openai-reasoning',
    dialect: 'openai-responses',
    text: '12 + 7 = 19\n19 × 3',
    calls: [],
    thought: '**Reporting final result**',
    stop: 'end',
    counts: [865, 0, 163],
  },
  {
    file: 'deepseek-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: weather,
    thought: 'The user',
    stop: 'tools',
    counts: [19, 320, 92],
  },
  {
    file: 'mistral-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: weather,
    thought: '',
    stop: 'tools',
    counts: [124, 0, 22],
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
    file: 'groq-reasoning',
    dialect: 'openai-chat',
    text: 'The word "strawberry"',
    calls: [],
    thought: 'Okay, so the user',
    stop: 'end',
    counts: [17, 0, 649],
  },
]

const bodyOf = ({ file }: Recording) =>
  readFileSync(new URL(`fixtures/wire/${file}-plain.jsonl`, import.meta.url), 'utf8').trim()

async function giving(recording: Recording) {
  const upstream = await upstreamThat(json(JSON.parse(bodyOf(recording))))
  const wire = wires.find(({ name }) => name === recording.dialect)!
  const router = routerFor({ models: { auto: wire.model(upstream) } })
  return { router, told: listenTo(router) }
}

const reached = (router: Router) => ({ url: 'http://in.process/v1', fetch: router.fetch })
const question = { role: 'user' as const, content: 'hello' }

type Message = OpenAI.ChatCompletionMessage & { readonly reasoning_content?: string }

/** Each official client as it hears an answer in its own dialect. */
const clients: Readonly<Record<Wire['name'], (router: Router) => Promise<Heard>>> = {
  async 'openai-chat'(router) {
    const { choices } = await openaiClient(reached(router)).chat.completions.create({
      model: 'auto',
      messages: [question],
    })
    const { content, reasoning_content: thought, tool_calls: calls = [] } = choices[0]!.message as Message
    const functions = calls.map((call) => (call as OpenAI.ChatCompletionMessageFunctionToolCall).function)
    return {
      text: content ?? '',
      calls: functions.map(({ name, arguments: input }) => ({ name, input: JSON.parse(input) as object })),
      thought: thought ?? '',
      stop: choices[0]!.finish_reason === 'tool_calls' ? 'tools' : 'end',
    }
  },
  async 'anthropic-messages'(router) {
    const asked = { model: 'auto', max_tokens: 99, messages: [question] }
    const { content, stop_reason: reason } = await anthropicClient(reached(router)).messages.create(asked)
    const joined = (read: (block: Anthropic.ContentBlock) => string) => content.map(read).join('')
    return {
      text: joined((block) => (block.type === 'text' ? block.text : '')),
      calls: content.flatMap((block) =>
        block.type === 'tool_use' ? [{ name: block.name, input: block.input as object }] : [],
      ),
      thought: joined((block) => (block.type === 'thinking' ? block.thinking : '')),
      stop: reason === 'tool_use' ? 'tools' : 'end',
    }
  },
  async 'openai-responses'(router) {
    const client = openaiClient(reached(router))
    const { output, output_text: text } = await client.responses.create({ model: 'auto', input: [question] })
    const calls = output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
    const thoughts = output.flatMap((item) => (item.type === 'reasoning' ? item.summary : []))
    return {
      text,
      calls: calls.map((call) => ({ name: call.name, input: JSON.parse(call.arguments) as object })),
      thought: thoughts.map((part) => part.text).join(''),
      stop: calls.length > 0 ? 'tools' : 'end',
    }
  },
}

describe.each(recordings)('a recorded answer: $file', (recording) => {
  it.each(wires.filter(({ name }) => name !== recording.dialect))('is heard whole in $name', async ({ name }) => {
    const { router, told } = await giving(recording)

    const { text, calls, thought, stop } = await clients[name](router)

    expect({ calls, stop }).toEqual({ calls: recording.calls, stop: recording.stop })
    expect(text.startsWith(recording.text)).toBe(true)
    expect(text === '').toBe(recording.text === '')
    expect(thought.startsWith(recording.thought)).toBe(true)
    expect(thought === '').toBe(recording.thought === '')
    const { usage, estimated } = told.find(({ event }) => event === 'call.ended')!.payload.ended
    expect(estimated).toBe(false)
    const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens } = usage
    expect([inputTokens, cachedInputTokens, outputTokens + reasoningTokens]).toEqual(recording.counts)
  })

  it('passes through as it came where the caller speaks the same', async () => {
    const { router } = await giving(recording)
    const path = wires.find(({ name }) => name === recording.dialect)!.name
    const asked = { model: 'auto', max_tokens: 99, messages: [question], input: [question] }

    const answer = await router.handle({ dialect: path, body: asked })

    expect(JSON.parse(Buffer.from(answer.body as Uint8Array).toString())).toEqual(JSON.parse(bodyOf(recording)))
    expect(answer.headers).not.toHaveProperty('x-signalbox-dropped')
  })
})
