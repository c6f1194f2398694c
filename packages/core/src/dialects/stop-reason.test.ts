import { expect, it } from 'vitest'
import { noUsage } from '../reply.ts'
import { replay } from './change-kind.ts'
import { anthropicMessages } from './anthropic-messages/index.ts'
import type { NeutralAnswer } from './neutral.ts'
import { openaiChat } from './openai-chat/index.ts'
import { openaiEmbeddings } from './openai-embeddings/index.ts'
import { openaiResponses } from './openai-responses/index.ts'
import { stopOf } from './stop-reason.ts'

const asked = { body: {}, startedAt: 0 }
const answer = { id: 'a', model: 'm', parts: [{ type: 'text', text: 'Hi' }], usage: noUsage } as const

it.each([openaiChat, anthropicMessages, openaiResponses])(
  'is told of an answer in $name, plain and streamed',
  (dialect) => {
    const said: Record<string, unknown> = {}
    for (const stop of ['stop', 'length'] as const satisfies NeutralAnswer['stop'][]) {
      const plain = Buffer.from(JSON.stringify(dialect.translation!.writeAnswer({ ...answer, stop }, asked)))
      const stream = replay(plain, dialect, asked)!
      said[stop] = [
        stopOf({ body: plain, isStream: false }, dialect),
        stopOf({ body: stream, isStream: true }, dialect),
      ]
    }
    expect(said).toEqual({ stop: ['stop', 'stop'], length: ['length', 'length'] })
  },
)

it('is not told of what is no answer, or has none', () => {
  for (const dialect of [openaiChat, anthropicMessages, openaiResponses, openaiEmbeddings]) {
    for (const body of [Buffer.from('{'), Buffer.from('null'), Buffer.from('data: {\n\n')])
      expect([stopOf({ body, isStream: false }, dialect), stopOf({ body, isStream: true }, dialect)]).toEqual([
        undefined,
        undefined,
      ])
  }
})
