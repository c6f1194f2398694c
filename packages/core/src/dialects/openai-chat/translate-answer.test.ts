import { describe, expect, it } from 'vitest'
import type { StreamStep } from '../neutral.ts'
import { readAnswer } from './translate-answer.ts'
import { stepReader } from './translate-stream.ts'

const call = (name: string, index?: number) => ({
  ...(index !== undefined && { index }),
  id: `call_${name}`,
  type: 'function',
  function: { name, arguments: '{"city":"Hue"}' },
})

/** The steps of a stream of these pieces. */
function stepsOf(...choices: object[]): StreamStep[] {
  const read = stepReader()
  return choices.flatMap((choice) => read({ data: JSON.stringify({ id: 'c', model: 'm', choices: [choice] }) }))
}

describe('calls of tools, as not all who follow OpenAI write them', () => {
  it('end the answer as calls, also where the provider says that it just stopped', () => {
    const choice = { message: { content: null, tool_calls: [call('f')] }, finish_reason: 'stop' }

    expect(readAnswer({ choices: [choice] })?.stop).toBe('tool-calls')
    expect(stepsOf({ delta: { tool_calls: [call('f', 0)] } }, { delta: {}, finish_reason: 'stop' })).toContainEqual({
      type: 'stop',
      reason: 'tool-calls',
    })
    expect(readAnswer({ choices: [{ ...choice, finish_reason: 'length' }] })?.stop).toBe('length')
    expect(readAnswer({ choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }] })?.stop).toBe('stop')
  })

  it('are told apart by their ids where a stream gives them no index', () => {
    const pieces = ['f', 'g'].map((name) => ({ delta: { tool_calls: [call(name)] } }))

    const opened = stepsOf(...pieces, { delta: {}, finish_reason: 'stop' }).filter(({ type }) => type === 'open')

    expect(opened).toEqual(
      ['f', 'g'].map((name) => ({ type: 'open', part: { type: 'tool-call', id: `call_${name}`, name } })),
    )
  })
})
