import { readFileSync } from 'node:fs'
import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { Router } from '@signalbox/core'
import { json } from '@signalbox/testkit'
import { type Wire, wires } from './support/dialects.ts'
import { anthropicClient, openaiClient } from './support/mounts.ts'
import { listenTo, routerFor, upstreamThat } from './support/routers.ts'
import { type Counts, countsOf } from './support/wire-samples.ts'

/** What is in an answer, as any client hears it. */
interface Heard {
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly input: object }[]
  readonly thought: string
  readonly stop: 'end' | 'tools'
  readonly counts: Counts
}

/** A sample (fixtures/wire/README.md), and what is in it. */
interface Sample extends Heard {
  readonly file: string
  readonly dialect: Wire['name']
}

const samples: readonly Sample[] = [
  {
    file: 'anthropic-thinking',
    dialect: 'anthropic-messages',
    text: 'The three tickets cost 97.50 € in all.',
    calls: [],
    thought: 'Two tickets at 39 € and one at 19.50 € make 97.50 €.',
    stop: 'end',
    counts: [83, 1152, 47],
  },
  {
    file: 'anthropic-tool-no-args',
    dialect: 'anthropic-messages',
    text:
      '<thinking>\nThe board may be old by now, and refreshing it asks for nothing.\n</thinking>\n\n' +
      'The board comes up fresh in a second.',
    calls: [{ name: 'refresh_board', input: {} }],
    thought: '',
    stop: 'tools',
    counts: [388, 0, 61],
  },
  {
    file: 'openai-text',
    dialect: 'openai-chat',
    text:
      '**Lost:** one umbrella, green.  \n\n' +
      '**Where:** coach 24 of the night train – ask at the lost property office.',
    calls: [],
    thought: '',
    stop: 'end',
    counts: [35, 1152, 29],
  },
  {
    file: 'openai-reasoning',
    dialect: 'openai-responses',
    text: 'The Railjet arrives at 15:15,\n23 minutes late.',
    calls: [],
    thought: '**Adding the delay**\n\n14:52 and 23 minutes make 15:15.',
    stop: 'end',
    counts: [130, 1280, 118],
  },
  {
    file: 'deepseek-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: [{ name: 'departures', input: { station: 'Linz Hbf' } }],
    thought: 'Platforms change often at Linz, so I had better look up its departures than guess.',
    stop: 'tools',
    counts: [52, 384, 58],
  },
  {
    file: 'mistral-tool-call',
    dialect: 'openai-chat',
    text: '',
    calls: [{ name: 'fare', input: { from: 'Spielfeld', to: 'Graz' } }],
    thought: '',
    stop: 'tools',
    counts: [102, 0, 19],
  },
  {
    file: 'mistral-reasoning',
    dialect: 'openai-chat',
    text: 'Your dachshund rides free in its box.',
    calls: [],
    thought: 'A dog in a box rides free, a big one pays half fare.',
    stop: 'end',
    counts: [29, 0, 44],
  },
  {
    file: 'groq-reasoning',
    dialect: 'openai-chat',
    text: 'Two changes: in **Bruck an der Mur** and in **Leoben**.',
    calls: [],
    thought:
      'There is no direct train to Eisenerz.\n' +
      'First the S-Bahn to Bruck, then the regional train to Leoben, then the bus.\n',
    stop: 'end',
    counts: [41, 0, 203],
  },
]

const bodyOf = ({ file }: Sample) =>
  readFileSync(new URL(`fixtures/wire/${file}-plain.jsonl`, import.meta.url), 'utf8').trim()

async function giving(sample: Sample) {
  const upstream = await upstreamThat(json(JSON.parse(bodyOf(sample))))
  const wire = wires.find(({ name }) => name === sample.dialect)!
  const router = routerFor({ models: { auto: wire.model(upstream) } })
  return { router, told: listenTo(router) }
}

const reached = (router: Router) => ({ url: 'http://in.process/v1', fetch: router.fetch })
const question = { role: 'user' as const, content: 'hello' }

type Message = OpenAI.ChatCompletionMessage & { readonly reasoning_content?: string }

/** Each official client as it hears an answer in its own dialect. */
const clients: Readonly<Record<Wire['name'], (router: Router) => Promise<Heard>>> = {
  async 'openai-chat'(router) {
    const { choices, usage } = await openaiClient(reached(router)).chat.completions.create({
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
      counts: countsOf.completion(usage),
    }
  },
  async 'anthropic-messages'(router) {
    const asked = { model: 'auto', max_tokens: 99, messages: [question] }
    const { content, stop_reason: reason, usage } = await anthropicClient(reached(router)).messages.create(asked)
    const joined = (read: (block: Anthropic.ContentBlock) => string) => content.map(read).join('')
    return {
      text: joined((block) => (block.type === 'text' ? block.text : '')),
      calls: content.flatMap((block) =>
        block.type === 'tool_use' ? [{ name: block.name, input: block.input as object }] : [],
      ),
      thought: joined((block) => (block.type === 'thinking' ? block.thinking : '')),
      stop: reason === 'tool_use' ? 'tools' : 'end',
      counts: countsOf.message(usage),
    }
  },
  async 'openai-responses'(router) {
    const client = openaiClient(reached(router))
    const { output, output_text: text, usage } = await client.responses.create({ model: 'auto', input: [question] })
    const calls = output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
    const thoughts = output.flatMap((item) => (item.type === 'reasoning' ? item.summary : []))
    return {
      text,
      calls: calls.map((call) => ({ name: call.name, input: JSON.parse(call.arguments) as object })),
      thought: thoughts.map((part) => part.text).join(''),
      stop: calls.length > 0 ? 'tools' : 'end',
      counts: countsOf.response(usage),
    }
  },
}

describe.each(samples)('a sample answer: $file', (sample) => {
  it.each(wires.filter(({ name }) => name !== sample.dialect))('is heard whole in $name', async ({ name }) => {
    const { router, told } = await giving(sample)

    const heard = await clients[name](router)

    const { text, calls, thought, stop, counts } = sample
    expect(heard).toEqual({ text, calls, thought, stop, counts })
    const { usage, estimated } = told.find(({ event }) => event === 'call.ended')!.payload.ended
    expect(estimated).toBe(false)
    const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens } = usage
    expect([inputTokens, cachedInputTokens, outputTokens + reasoningTokens]).toEqual(counts)
  })

  it('passes through as it came where the caller speaks the same', async () => {
    const { router } = await giving(sample)
    const path = wires.find(({ name }) => name === sample.dialect)!.name
    const asked = { model: 'auto', max_tokens: 99, messages: [question], input: [question] }

    const answer = await router.handle({ dialect: path, body: asked })

    expect(JSON.parse(Buffer.from(answer.body as Uint8Array).toString())).toEqual(JSON.parse(bodyOf(sample)))
    expect(answer.headers).not.toHaveProperty('x-signalbox-dropped')
  })
})
