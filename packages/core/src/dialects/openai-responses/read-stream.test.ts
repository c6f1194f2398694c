import { describe, expect, it } from 'vitest'
import type { OpenedPart, StreamStep } from '../neutral.ts'
import { stepReader } from './read-stream.ts'

const item = (output_index: number, fields: object) => ({
  type: 'response.output_item.done',
  output_index,
  item: fields,
})
const message = (...content: object[]) => ({ type: 'message', role: 'assistant', content })
const text = { type: 'output_text', text: 'Hello' }

/** What the steps of a stream of these events amount to. */
function partsOf(...events: object[]): [OpenedPart['type'], string][] {
  const read = stepReader()
  const completed = { type: 'response.completed', response: { output: [] } }
  const steps: StreamStep[] = [...events, completed].flatMap((event) => read({ data: JSON.stringify(event) }))
  const parts: [OpenedPart['type'], string][] = []
  for (const step of steps) {
    if (step.type === 'open') parts.push([step.part.type, ''])
    else if (step.type === 'delta') parts.at(-1)![1] += step.text
    else if (step.type === 'proof') parts.at(-1)![1] += ` (${step.proof.data})`
  }
  return parts
}

describe('an item of a stream that comes whole', () => {
  it('is what it says, where nothing of it came in pieces', () => {
    const thought = { type: 'reasoning', id: 'rs_1', summary: [{ text: 'Hm' }], encrypted_content: 'gAAA' }
    const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"a":1}' }

    expect(
      partsOf(item(0, thought), item(1, message(text, { type: 'refusal', refusal: 'No' })), item(2, call)),
    ).toEqual([
      ['reasoning', 'Hm (gAAA)'],
      ['text', 'Hello'],
      ['refusal', 'No'],
      ['tool-call', '{"a":1}'],
    ])
  })

  it('is not said again after its pieces', () => {
    const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'Hello' }
    const piece = { type: 'response.reasoning_summary_text.delta', output_index: 1, summary_index: 0, delta: 'Hm' }
    const thought = { type: 'reasoning', summary: [{ text: 'Hm' }], encrypted_content: 'gAAA' }

    expect(partsOf(delta, item(0, message(text)), piece, item(1, thought))).toEqual([
      ['text', 'Hello'],
      ['reasoning', 'Hm (gAAA)'],
    ])
  })
})
