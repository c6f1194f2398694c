import { describe, expect, it } from 'vitest'
import { replay } from '../change-kind.ts'
import type { StreamStep } from '../neutral.ts'
import { parseEvent, SseFramer } from '../sse.ts'
import { openaiResponses } from './index.ts'
import { readItems } from './items.ts'
import { stepWriter } from './write-stream.ts'

const asked = { body: {}, startedAt: 0 }
const proof = { of: 'openai-responses', kind: 'cipher', data: 'gAAA', id: 'rs_1' } as const

interface Told {
  readonly item_id?: string
  readonly item?: { readonly id: string }
  readonly response?: { readonly output: readonly object[] }
}

/** The ids under which the events of a stream tell of its thoughts, each once, and the items it ends with. */
function told(stream: string) {
  const events: Told[] = []
  new SseFramer().push(Buffer.from(stream), (event) => events.push(JSON.parse(parseEvent(event).data!) as Told))
  const ids = events.flatMap(({ item_id: id, item }) => [id ?? item?.id ?? []].flat())
  return { ids: [...new Set(ids)], output: events.at(-1)!.response!.output }
}

const losses = { lose: () => undefined, skip: () => undefined }

describe('a thought in a stream has one id from its first event to its last, as the official client wants it', () => {
  it('which is its own, where that is known from the start', () => {
    const thought = { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm' }] }
    const output = [{ ...thought, encrypted_content: 'gAAA' }]
    const stream = replay(Buffer.from(JSON.stringify({ id: 'resp_1', output })), openaiResponses, asked)!

    expect(told(Buffer.from(stream).toString())).toEqual({ ids: ['rs_1'], output })
  })

  it('and its own is kept with its proof, where it comes behind the thought', () => {
    const steps: StreamStep[] = [
      { type: 'start', id: 'c', model: 'm' },
      { type: 'open', part: { type: 'reasoning' } },
      { type: 'delta', text: 'Hm' },
      { type: 'proof', proof },
      { type: 'close' },
      { type: 'end' },
    ]
    const writer = stepWriter(asked)
    const { ids, output } = told(steps.map((step) => writer.write(step)).join(''))

    expect(ids).toEqual(['rs_c_0'])
    expect(output).toMatchObject([{ id: 'rs_c_0' }])
    expect(readItems(output, losses)).toEqual([
      { role: 'assistant', parts: [{ type: 'reasoning', text: 'Hm', proof }] },
    ])
  })
})
