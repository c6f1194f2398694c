import { describe, expect, it } from 'vitest'
import { LossList } from '../loss-list.ts'
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

  const piece = (args: unknown, more: object = {}, name?: string) => ({
    ...more,
    function: { ...(name && { name }), arguments: args },
  })
  const whole = '{"a":1}'
  it.each([
    ['have the same place', [piece(whole, { index: 0, id: 'x' }, 'f'), piece('{"b":2}', { index: 0, id: 'y' }, 'g')]],
    ['have neither place nor id', [piece(whole, {}, 'f'), piece('{"b":2}', {}, 'g')]],
    [
      'have no place, and their id at every piece',
      [
        piece('{"a"', { id: 'x' }, 'f'),
        piece(':1}', { id: 'x' }),
        piece('', { id: 'y' }, 'g'),
        piece('{"b":2}', { id: 'y' }),
      ],
    ],
    [
      'have a new id at every piece',
      [
        piece('{"a"', { index: 0, id: 'x' }, 'f'),
        piece(':1}', { index: 0, id: 'x2' }, 'f'),
        piece('', { index: 0, id: 'x3' }, 'f'),
        piece('{"b":2}', { index: 1, id: 'y' }, 'g'),
      ],
    ],
    [
      'have arguments that are no text',
      [piece({ a: 1 }, { index: 0, id: 'x' }, 'f'), piece({ b: 2 }, { index: 1, id: 'y' }, 'g')],
    ],
  ])('come apart and whole where they %s', (_how, pieces) => {
    const steps = stepsOf(...pieces.map((one) => ({ delta: { tool_calls: [one] } })), { finish_reason: 'tool_calls' })

    expect(told(steps)).toEqual([
      ['f', whole],
      ['g', '{"b":2}'],
    ])
    const ids = steps.flatMap((step) => (step.type === 'open' && step.part.type === 'tool-call' ? [step.part.id] : []))
    expect(new Set(ids).size).toBe(2)
  })

  it('are told of where they hold more than another dialect has: Gemini’s signature', () => {
    const signed = { ...call('f', 0), extra_content: { google: { thought_signature: 'c2ln' } } }
    const [plain, streamed] = [new LossList(), new LossList()]
    readAnswer({ choices: [{ message: { tool_calls: [signed] }, finish_reason: 'tool_calls' }] }, plain)
    stepReader(streamed)({ data: JSON.stringify({ choices: [{ delta: { tool_calls: [signed] } }] }) })

    expect([...plain.names]).toEqual(['messages[].tool_calls[].extra_content'])
    expect([...streamed.names]).toEqual(['messages[].tool_calls[].extra_content'])
  })

  it('are filtered, whatever Gemini says of it', () => {
    expect(stepsOf({ delta: {}, finish_reason: 'content_filter: PROHIBITED_CONTENT' })).toContainEqual({
      type: 'stop',
      reason: 'filter',
    })
  })

  it.each(['length', 'model_length', 'insufficient_system_resource'])(
    'are not whole where they end with %s',
    (reason) => {
      expect(readAnswer({ choices: [{ message: { content: 'Hal' }, finish_reason: reason }] })?.stop).toBe('length')
    },
  )

  it('have arguments that can be read, also where the provider wrote none or an object', () => {
    const calls = ['', ' ', undefined, null, { a: 1 }].map((args) => piece(args, {}, 'f'))
    const answer = readAnswer({ choices: [{ message: { tool_calls: calls }, finish_reason: 'tool_calls' }] })
    const parts = answer!.parts as readonly { id: string; arguments: string }[]

    expect(parts.map((part) => part.arguments)).toEqual(['{}', '{}', '{}', '{}', whole])
    expect(new Set(parts.map(({ id }) => id)).size).toBe(5)
    expect(told(stepsOf({ delta: { tool_calls: [piece('', { index: 0 }, 'f')] }, finish_reason: 'stop' }))).toEqual([
      ['f', '{}'],
    ])
  })

  it('have ids that no other answer has, where the provider gave them none', () => {
    const answer = { choices: [{ message: { tool_calls: [piece(whole, { id: '' }, 'f')] }, finish_reason: 'stop' }] }
    const plain = [answer, answer].flatMap((one) => readAnswer(one)!.parts)
    const chunk = { delta: { tool_calls: [piece(whole, { index: 0 }, 'f')] } }
    const opened = [chunk, chunk].flatMap((one) => stepsOf(one).flatMap((step) => ('part' in step ? [step.part] : [])))
    const ids = [...plain, ...opened].map((part) => (part as { id: string }).id)

    expect(new Set(ids).size).toBe(4)
    // OpenAI takes no longer ones.
    for (const id of ids) expect(id).toMatch(/^[\w-]{1,40}$/)
  })

  /** Names and arguments of the calls. */
  function told(steps: readonly StreamStep[]): string[][] {
    const calls: string[][] = []
    for (const step of steps) {
      if (step.type === 'open') calls.push([step.part.type === 'tool-call' ? step.part.name : '', ''])
      else if (step.type === 'delta') calls.at(-1)![1] += step.text
    }
    return calls
  }
})

describe('a stream, as not all who follow OpenAI write it', () => {
  const events = (...data: unknown[]) => {
    const read = stepReader()
    return data.flatMap((one) => read({ data: typeof one === 'string' ? one : JSON.stringify(one) }))
  }
  const said = { id: 'c', model: 'm', choices: [{ delta: { content: 'Hi' } }] }

  it('is whole where nothing says why it ended', () => {
    expect(events(said, '[DONE]').slice(-3)).toEqual([
      { type: 'close' },
      { type: 'stop', reason: 'stop' },
      { type: 'end' },
    ])
    expect(events({ choices: [{ delta: { tool_calls: [call('f', 0)] } }] }, '[DONE]')).toContainEqual({
      type: 'stop',
      reason: 'tool-calls',
    })
  })

  it('has its own name, whatever comes before it under none', () => {
    const ofPrompt = { id: '', model: '', choices: [], prompt_filter_results: [] }

    expect(events('', ofPrompt, said)[0]).toEqual({ type: 'start', id: 'c', model: 'm' })
  })

  it.each([
    [{ reasoning_content: '', reasoning: 'Hm' }],
    [{ reasoning_details: [{ type: 'reasoning.text', text: 'Hm' }] }],
    [{ reasoning: 'Hm', reasoning_details: [{ type: 'reasoning.text', text: 'Hm' }] }],
  ])('has its thoughts once, in whichever field: %j', (delta) => {
    expect(events({ choices: [{ delta }] }).slice(1)).toEqual([
      { type: 'open', part: { type: 'reasoning' } },
      { type: 'delta', text: 'Hm' },
    ])
  })

  it.each([
    [
      'goes on with a thought',
      ' then.',
      [
        { type: 'delta', text: 'Hm,' },
        { type: 'delta', text: ' then.' },
      ],
    ],
    ['says the thought again', 'Hm,', [{ type: 'delta', text: 'Hm,' }]],
  ])('has all of a thought where the detail with its proof %s', (_, text, deltas) => {
    const chunk = (detail: object) => ({
      choices: [
        { delta: { reasoning_details: [{ type: 'reasoning.text', format: 'anthropic-claude-v1', ...detail }] } },
      ],
    })
    const steps = events(chunk({ text: 'Hm,' }), chunk({ text, signature: 'c2ln' }))
    expect(steps.slice(2, -1)).toEqual(deltas)
  })

  it('has as many thoughts as it has proofs', () => {
    const encrypted = (id: string) => ({ type: 'reasoning.encrypted', data: id, id, format: 'openai-responses-v1' })
    const chunk = (delta: object) => ({ choices: [{ delta }] })
    const proof = (id: string) => ({ type: 'proof', proof: { of: 'openai-responses', kind: 'cipher', data: id, id } })

    const steps = events(
      chunk({ reasoning: 'Hm' }),
      chunk({ reasoning_details: [encrypted('rs_1')] }),
      chunk({ reasoning_details: [encrypted('rs_2')] }),
    )
    const opened = { type: 'open', part: { type: 'reasoning' } }
    expect(steps.slice(1)).toEqual([
      opened,
      { type: 'delta', text: 'Hm' },
      proof('rs_1'),
      { type: 'close' },
      opened,
      proof('rs_2'),
    ])
  })
})
