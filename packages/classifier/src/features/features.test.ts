import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { denseCount } from './dense.ts'
import { featuresOf } from './features.ts'
import { windowOf } from './window.ts'

const buckets = 1024
const seen = (prompt: Parameters<typeof featuresOf>[0]) => {
  const { buckets: at, values, dense } = featuresOf(prompt, buckets)
  return { features: Array.from(at, (bucket, place) => [bucket, values[place]]), dense: [...dense] }
}
/** Words in many scripts, and marks. Each comes back from upper case as it was. */
const word = fc.oneof(
  fc.constantFrom('solve', 'x', 'Việt', 'được', 'über', 'été', 'привет', 'ответ', 'λόγοι', '计算方程', '関数', 'ภาษา'),
  fc.constantFrom(
    '2024',
    '3.14',
    'a.',
    'b.',
    'c)',
    '?',
    '{',
    '};',
    '=',
    '\\frac',
    '___',
    'return',
    'not',
    '😀',
    '\ud83d',
  ),
  fc.stringMatching(/^[a-z]{1,12}$/),
)
const space = fc.stringMatching(/^[ \t\n\r\u00a0\u2003\u3000]{1,5}$/)

describe('the features of a prompt', () => {
  it('are the same however its words are spaced and cased', () => {
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 60 }),
        fc.array(space, { minLength: 61, maxLength: 61 }),
        (words, gaps) => {
          const spaced = words.map((text, at) => `${gaps[at]}${at % 3 === 0 ? text.toUpperCase() : text}`).join('')
          expect(seen(`${spaced}${gaps.at(-1)}`)).toEqual(seen(words.join(' ')))
        },
      ),
    )
  })

  it('are the same for a text that is longer than what is read of it', () => {
    const words = Array.from({ length: 4000 }, (_, at) => `word${at % 97}`)
    const plain = seen(words.join(' '))
    expect(seen(words.join('\n\n\t  ').toUpperCase())).toEqual(plain)
    expect(seen(words.toReversed().join(' '))).not.toEqual(plain)
  })

  it('are finite numbers of length 1, for any text at all', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), fc.nat(40), fc.nat(40), (text, tools, turns) => {
        const { values, dense } = featuresOf({ text, tools, turns }, buckets)
        expect([...values, ...dense].every(Number.isFinite) && dense.length === denseCount).toBe(true)
        const square = values.reduce((sum, value) => sum + value * value, 0)
        expect(square === 0 || Math.abs(square - 1) < 1e-4).toBe(true)
      }),
    )
  }, 30_000)

  it.each([
    ['null', null],
    ['a number', 7],
    ['parts', [{ type: 'text', text: 'hi' }]],
    ['an object whose text is null', { text: null }],
    ['numbers that are none', { text: 'hi', tools: NaN, turns: -Infinity }],
  ])('exist for %s', (_, prompt) => {
    const { dense } = featuresOf(prompt as never, buckets)
    expect([...dense].every(Number.isFinite)).toBe(true)
  })

  it.each([
    ['10 MB of text', 'The quick brown fox jumps. '.repeat(400_000)],
    ['10 MB of white space', ' \n'.repeat(5_000_000)],
    ['10 MB without a space', 'a'.repeat(10_000_000)],
    ['20,000 words of Chinese', '机器学习正在改变世界'.repeat(4_000)],
    ['lone surrogates', '\ud800'.repeat(100_000)],
    ['a list that never ends', 'a. b. c) '.repeat(100_000)],
    ['marks that catch careless expressions', `${'('.repeat(50_000)}${'a+'.repeat(50_000)}!`],
  ])('take well under a second for %s', (_, text) => {
    const start = performance.now()
    featuresOf(text, buckets)
    expect(performance.now() - start).toBeLessThan(1500)
  })

  it('see the end of a long text as well as its beginning', () => {
    const filler = 'lorem ipsum '.repeat(2000)
    expect(windowOf(`${filler}what is the zebra`).text).toContain('zebra')
    expect(windowOf(`zebra ${filler}`).text).toContain('zebra')
    expect(windowOf(filler).text.length).toBeLessThan(6100)
  })

  it('know numbers by their size, scripts, code, options and questions', () => {
    expect(seen('add 12 and 34')).toEqual(seen('add 56 and 78'))
    expect(seen('add 12 and 34')).not.toEqual(seen('add 12 and 3456'))
    const dense = (text: string) => seen(text).dense
    const [english, chinese, code, options] = [
      'some words here',
      '这里有几个词',
      'return { a: [1]; };',
      'a. x b. y c. z',
    ].map((text) => dense(text))
    expect(chinese![5]).toBe(1)
    expect(english![5]).toBe(0)
    expect(code![11]).toBeGreaterThan(english![11]!)
    expect(options![9]).toBe(1)
  })
})
