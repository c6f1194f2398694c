import { describe, expect, it } from 'vitest'
import { readAnswer } from './translate-answer.ts'
import { stepReader } from './translate-stream.ts'

/** An answer with one call, as it is read whole and from a stream. */
function bothWays(input: unknown, reason: string) {
  const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input }
  const answer = readAnswer({ content: [call], stop_reason: reason })!
  const read = stepReader()
  const steps = [
    { type: 'content_block_start', index: 0, content_block: call },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: reason } },
  ].flatMap((event) => read({ data: JSON.stringify(event) }))
  const [part] = answer.parts as readonly { arguments?: string }[]
  const given = steps.flatMap((step) => (step.type === 'delta' ? [step.text] : [])).join('')
  const stop = steps.find((step) => step.type === 'stop')
  return [
    { given: part!.arguments, stop: answer.stop },
    { given, stop: stop?.reason },
  ]
}

describe('a call of a tool, as not all who follow Anthropic write it', () => {
  it.each([
    [{ a: 1 }, '{"a":1}'],
    ['{"a":1}', '{"a":1}'],
    [undefined, '{}'],
    [null, '{}'],
  ])('has its arguments where they stand as %j', (input, given) => {
    expect(bothWays(input, 'tool_use')).toEqual([
      { given, stop: 'tool-calls' },
      { given, stop: 'tool-calls' },
    ])
  })

  it('ends the answer as one, also where the provider says that its turn is over', () => {
    expect(bothWays({}, 'end_turn').map(({ stop }) => stop)).toEqual(['tool-calls', 'tool-calls'])
    expect(bothWays({}, 'max_tokens').map(({ stop }) => stop)).toEqual(['length', 'length'])
  })
})
