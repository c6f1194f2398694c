import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dialects } from './index.ts'
import type { StreamStep } from './neutral.ts'

const talkative = Object.values(dialects).filter(({ translation }) => translation !== undefined)
const asked = { body: {}, startedAt: 0 }

/** What a stream says: its text, its thoughts, and the arguments of its calls by their names. */
interface Said {
  text: string
  thought: string
  readonly calls: [string, string][]
}

/** One thing a provider writes: a piece of text or thought, or a whole call in pieces. */
const word = fc.stringMatching(/^[a-z é🏯"{}]{1,6}$/u)
const spoken = fc.oneof(
  word.map((text) => ({ text })),
  word.map((thought) => ({ thought })),
  fc.record({
    args: fc.dictionary(fc.constantFrom('a', 'b'), word, { maxKeys: 2 }).map((value) => JSON.stringify(value)),
    cut: fc.nat(20),
  }),
)

/** How a provider marks the pieces of its calls. */
const habit = fc.record({
  index: fc.constantFrom('own', 'none', 'zero'),
  idAgain: fc.boolean(),
  isObject: fc.boolean(),
  finish: fc.constantFrom('stop', 'true', 'none'),
  opening: fc.constantFrom('', 'filter', 'role'),
})

type Habit = typeof habit extends fc.Arbitrary<infer Value> ? Value : never
type Spoken = typeof spoken extends fc.Arbitrary<infer Value> ? Value : never

function deltasOf(all: readonly Spoken[], { index, idAgain, isObject }: Habit): { deltas: object[]; said: Said } {
  const said: Said = { text: '', thought: '', calls: [] }
  const deltas = all.flatMap((one): object[] => {
    if ('text' in one) {
      said.text += one.text
      return [{ content: one.text }]
    }
    if ('thought' in one) {
      said.thought += one.thought
      return [{ reasoning_content: one.thought }]
    }
    const place = said.calls.length
    const id = `id_${place}`
    said.calls.push([`f${place}`, one.args])
    const at = index === 'none' ? {} : { index: index === 'own' ? place : 0 }
    const call = (more: object, args: unknown, name?: string) => ({
      tool_calls: [{ ...at, ...more, function: { ...(name && { name }), arguments: args } }],
    })
    if (isObject) return [call({ id }, JSON.parse(one.args), `f${place}`)]
    // Whoever has the same place for all writes each in one piece.
    const cut = index === 'zero' ? one.args.length : Math.min(one.cut, one.args.length)
    const rest = one.args.slice(cut)
    return [call({ id }, one.args.slice(0, cut), `f${place}`), ...(rest ? [call(idAgain ? { id } : {}, rest)] : [])]
  })
  return { deltas, said }
}

function saidBy(steps: readonly StreamStep[]): Said {
  const said: Said = { text: '', thought: '', calls: [] }
  let open = ''
  for (const step of steps) {
    if (step.type === 'open') {
      open = step.part.type
      if (step.part.type === 'tool-call') said.calls.push([step.part.name, ''])
    } else if (step.type === 'delta' && open === 'text') said.text += step.text
    else if (step.type === 'delta' && open === 'reasoning') said.thought += step.text
    else if (step.type === 'delta') said.calls.at(-1)![1] += step.text
  }
  return said
}

const openings: Readonly<Record<string, object[]>> = {
  '': [],
  filter: [{ id: '', model: '', choices: [], prompt_filter_results: [] }],
  role: [{ id: 'c', model: 'm', choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }],
}

describe('a stream of whoever follows OpenAI', () => {
  it('says in steps all that it says, each part opened and closed, and ends once', () => {
    fc.assert(
      fc.property(fc.array(spoken, { minLength: 1, maxLength: 8 }), habit, (all, how) => {
        const { deltas, said } = deltasOf(all, how)
        const chunks = deltas.map((delta) => ({ id: 'c', model: 'm', choices: [{ index: 0, delta }] }))
        const ends = said.calls.length > 0 ? 'tool_calls' : 'stop'
        const finish_reason = how.finish === 'true' ? ends : 'stop'
        const end =
          how.finish === 'none' ? [] : [{ id: 'c', model: 'm', choices: [{ index: 0, delta: {}, finish_reason }] }]
        const read = dialects['openai-chat'].translation!.stepReader()
        const steps = [...openings[how.opening]!, ...chunks, ...end, '[DONE]'].flatMap((data) => [
          ...read({ data: typeof data === 'string' ? data : JSON.stringify(data) }),
        ])

        expect(saidBy(steps)).toEqual(said)
        expect(steps[0]).toEqual({ type: 'start', id: 'c', model: 'm' })
        const frame = steps.map(({ type }) => type).filter((type) => type !== 'delta')
        expect(frame.join(' ')).toMatch(/^start( open close)+ stop end$/)
        expect(steps.at(-2)).toEqual({ type: 'stop', reason: said.calls.length > 0 ? 'tool-calls' : 'stop' })
      }),
      { numRuns: 500 },
    )
  })
})

describe.each(talkative)('a stream in $name', ({ translation }) => {
  it('is read and written in each dialect without a throw, whatever JSON its events are', () => {
    const type = fc.constantFrom(
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'response.created',
      'response.output_item.added',
      'response.output_item.done',
      'response.function_call_arguments.delta',
      'response.completed',
    )
    const body = fc.record(
      {
        type,
        choices: fc.array(fc.record({ delta: fc.jsonValue(), finish_reason: fc.jsonValue() })),
        delta: fc.jsonValue(),
        item: fc.jsonValue(),
        content_block: fc.jsonValue(),
        response: fc.jsonValue(),
        usage: fc.jsonValue(),
      },
      { requiredKeys: ['type'] },
    )
    fc.assert(
      fc.property(fc.array(body), (events) => {
        const read = translation!.stepReader()
        const steps = events.flatMap((event) => [...read({ data: JSON.stringify(event) })])
        for (const to of talkative) {
          const { write } = to.translation!.stepWriter(asked)
          expect(() => steps.map(write)).not.toThrow()
        }
      }),
      { numRuns: 200 },
    )
  })
})
