import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OpenedPart, StreamStep } from './neutral.ts'
import { PartSequencer } from './part-sequencer.ts'

const call = (id: string): OpenedPart => ({ type: 'tool-call', id, name: `tool_${id}` })
/** As providers write all pieces of a call but the first. */
const nameless: OpenedPart = { type: 'tool-call', id: '', name: '' }
const said = (steps: readonly StreamStep[]) =>
  steps
    .map((step) =>
      step.type === 'open'
        ? `<${'id' in step.part ? step.part.id : step.part.type}`
        : step.type === 'close'
          ? '>'
          : (step as { text: string }).text,
    )
    .join(' ')

describe('the parts of a stream', () => {
  it('follow one another, text and thoughts in turns', () => {
    const parts = new PartSequencer()
    const steps = [
      ...parts.piece('r', { type: 'reasoning' }, 'hm'),
      ...parts.piece('t', { type: 'text' }, 'a'),
      ...parts.piece('t', { type: 'text' }, 'b'),
      ...parts.piece('r', { type: 'reasoning' }, 'hm'),
      ...parts.end(),
    ]
    expect(said(steps)).toBe('<reasoning hm > <text a b > <reasoning hm >')
  })

  it('go on as soon as the arguments before them are whole', () => {
    const parts = new PartSequencer()
    expect(said(parts.piece('1', call('1'), '{"a":'))).toBe('<1 {"a":')
    expect(said(parts.piece('1', call('1'), '1}'))).toBe('1}')
    expect(said(parts.piece('2', call('2'), '{"b'))).toBe('> <2 {"b')
  })

  it('wait where calls are written at the same time', () => {
    const parts = new PartSequencer()
    const steps = [
      ...parts.piece('1', call('1'), ''),
      ...parts.piece('2', call('2'), ''),
      ...parts.piece('1', call('1'), '{"a":1}'),
      ...parts.piece('2', call('2'), '{"b":2}'),
      ...parts.end(),
    ]
    expect(said(steps)).toBe('<1 {"a":1} > <2 {"b":2} >')
  })

  it('keep the name that they had first: later pieces have none', () => {
    const parts = new PartSequencer()
    const steps = [
      ...parts.piece('1', call('1'), '{"a"'),
      ...parts.piece('2', call('2'), '{"b"'),
      ...parts.piece('1', nameless, ':1}'),
      ...parts.piece('2', nameless, ':2}'),
      ...parts.end(),
    ]
    expect(steps.filter(({ type }) => type === 'open')).toEqual([
      { type: 'open', part: call('1') },
      { type: 'open', part: call('2') },
    ])
    expect(said(steps)).toBe('<1 {"a" :1} > <2 {"b":2} >')
  })

  it('come out whole and apart, however their pieces are mixed', () => {
    const texts = fc.array(
      fc.dictionary(fc.constantFrom('a', 'b'), fc.jsonValue({ maxDepth: 1 })).map((value) => JSON.stringify(value)),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    fc.assert(
      fc.property(texts, fc.infiniteStream(fc.nat(3)), (given, turns) => {
        const parts = new PartSequencer()
        const left = given.map((text) => text.match(/.{1,3}/gsu)!)
        const steps: StreamStep[] = []
        // As providers do: a call begins in its place, whatever is written behind.
        left.forEach((pieces, index) => steps.push(...parts.piece(`${index}`, call(`${index}`), pieces.shift()!)))
        while (left.some((pieces) => pieces.length > 0)) {
          const able = left.map((_, index) => index).filter((index) => left[index]!.length > 0)
          const index = able[turns.next().value % able.length]!
          steps.push(...parts.piece(`${index}`, nameless, left[index]!.shift()!))
        }
        steps.push(...parts.end())

        const told = said(steps).replaceAll(' ', '')
        expect(told).toBe(given.map((text, index) => `<${index}${text.replaceAll(' ', '')}>`).join(''))
      }),
    )
  })
})
