import { readFileSync } from 'node:fs'
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { Router } from '@signalbox/core'
import { json } from '@signalbox/testkit'
import { type Wire, wires } from './support/dialects.ts'
import { anthropicClient, openaiClient } from './support/mounts.ts'
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

const giving = (sample: Sample) => routerPlaying(sample, json(JSON.parse(bodyOf(sample))))

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
      counts: countsOfCompletion(usage),
    }
  },
  async 'anthropic-messages'(router) {
    const asked = { model: 'auto', max_tokens: 99, messages: [question] }
    return heardInMessage(await anthropicClient(reached(router)).messages.create(asked))
  },
  async 'openai-responses'(router) {
    return heardInResponse(await openaiClient(reached(router)).responses.create({ model: 'auto', input: [question] }))
  },
}

describe.each(samples)('a sample answer: $file', (sample) => {
  it.each(wires.filter(({ name }) => name !== sample.dialect))('is heard whole in $name', async ({ name }) => {
    const { router, told } = await giving(sample)

    const heard = await clients[name](router)

    expect(heard).toEqual(contentOf(sample))
    expect(counted(told)).toEqual({ counts: sample.counts, estimated: false })
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
