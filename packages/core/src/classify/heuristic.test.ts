import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dialects } from '../dialects/index.ts'
import { heuristicLabels } from './heuristic.ts'

/** Any UTF-16 code unit, lone surrogates included. fast-check's own `binary` takes seconds to make. */
const codeUnit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))

const asking = (...texts: string[]) => ({ messages: texts.map((content) => ({ role: 'user', content })) })
const labelsOf = (body: object) => heuristicLabels(dialects['openai-chat'].parse({ model: 'auto', ...body }))

describe('the heuristic', () => {
  it.each([
    ['What is the capital of France?', { complexity: 'simple', task: 'chat', expectedLength: 'short' }],
    [
      'Write a python script that sorts a file of names.',
      { complexity: 'simple', task: 'code', expectedLength: 'medium' },
    ],
    ['Compare and analyze, then optimize:\n```js\nfunction f() {}\n```', { complexity: 'complex', task: 'code' }],
    [
      'Analyze and compare both offers in a detailed report.',
      { complexity: 'moderate', task: 'analysis', expectedLength: 'long' },
    ],
    ['Summarize this article briefly.', { task: 'summarise', expectedLength: 'short' }],
    // The measured weakness of such scoring, kept as it is.
    ['Design a distributed system', { complexity: 'simple' }],
  ])('reads %j', (text, labels) => {
    expect(labelsOf(asking(text))).toMatchObject(labels)
  })

  it('counts size where words do not stand apart: Chinese is not a single word', () => {
    expect(labelsOf(asking(`${'请比较这两种方案的优点和缺点。'.repeat(60)} 2 + 2 = 4`)).complexity).toBe('moderate')
  })

  it('keeps a conversation that was complex complex, and takes a follow-up for moderate at least', () => {
    const complex = 'Compare, analyze and optimize this design:\n```\nclass A {}\n```'
    expect(
      labelsOf(asking(complex, 'Thanks! What is the weather like, by the way, in the city of Rome today?')).complexity,
    ).toBe('complex')
    expect(labelsOf(asking('Who was Bach?', 'And when did he die?')).complexity).toBe('moderate')
    expect(labelsOf(asking('Who was Bach?')).complexity).toBe('simple')
  })

  it('takes a limit on the output for a length', () => {
    expect(labelsOf({ ...asking('Write a detailed essay on trains.'), max_tokens: 100 }).expectedLength).toBe('short')
    expect(labelsOf({ ...asking('Write a detailed essay on trains.'), max_tokens: 900 }).expectedLength).toBe('medium')
    expect(labelsOf(asking('Write a detailed essay on trains.')).expectedLength).toBe('long')
  })

  it('is total: it takes any messages', () => {
    const content = fc.oneof(fc.string({ unit: codeUnit }), fc.jsonValue())
    fc.assert(
      fc.property(
        fc.array(fc.record({ role: fc.constantFrom('user', 'system', 'x'), content }), { maxLength: 4 }),
        (messages) => {
          expect(['simple', 'moderate', 'complex']).toContain(labelsOf({ messages }).complexity)
        },
      ),
    )
    expect(labelsOf({ messages: null })).toEqual({ complexity: 'simple', task: 'chat', expectedLength: 'short' })
  })

  it.each([
    ['spaces', ' '],
    ['letters', 'a'],
    ['lone surrogates', '\ud800'],
    ['digits and signs', '1 + '],
    ['braces', '{}; \n'],
    ['Chinese words', '分析'],
  ])('looks at so much of a text of 10 MB of %s and no more', (_what, piece) => {
    const long = piece.repeat(Math.ceil(10_000_000 / piece.length))
    const cut = long.slice(0, 16_384)
    expect(labelsOf(asking(long))).toEqual(labelsOf(asking(cut)))
  })

  it('says the same however a text is spaced and cased, where that changes no meaning', () => {
    const words =
      'What is Compare analyze Design function class import return const SELECT Summarize Python briefly detailed 12 + = { }; ' +
      'integral ``` => \\frac hãy viết được 请比较 方案 код Große łódź why? a.'
    const word = fc.constantFrom('step by step', 'only the', ...words.split(' '))
    const gap = fc.constantFrom(' ', '  ', '\t', ' \u00a0', '\u3000')
    const lineEnd = fc.constantFrom('\n', '\r\n', ' \n', '\n\n', '\n\t')
    const line = fc.array(fc.tuple(word, gap), { minLength: 1, maxLength: 60 })
    const toCase = fc.constantFrom(
      (text: string) => text,
      (text: string) => text.toLowerCase(),
      (text: string) => (text.toUpperCase().toLowerCase() === text.toLowerCase() ? text.toUpperCase() : text),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(line, lineEnd), { maxLength: 8 }), gap, toCase, (lines, around, cased) => {
        const plain = lines.map(([all]) => all.map(([text]) => text).join(' ')).join('\n')
        const spaced = lines.map(([all, end]) => all.map(([text, space]) => text + space).join('') + end).join('')
        expect(labelsOf(asking(cased(around + spaced)))).toEqual(labelsOf(asking(plain)))
        expect(labelsOf(asking('Hello', cased(around + spaced)))).toEqual(labelsOf(asking('Hello', plain)))
      }),
      { numRuns: 500 },
    )
  })
})
