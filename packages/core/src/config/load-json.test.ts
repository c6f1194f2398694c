import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseJson } from './load-json.ts'

it('parses what JSON.parse parses', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parseJson(text)).toEqual(JSON.parse(text))
    }),
  )
})

it.each([
  ['{"a":1,\n "b":{"a":2},"a":3}', 2],
  ['{"x":[{"a":"{\\"","b":1},\n{"a":2,"\\u0061":3}]}', 2],
  ['{"__proto__":1,"__proto__":2}', 1],
])('finds a key that stands twice in one object: %s', (text, line) => {
  expect(() => parseJson(text)).toThrow(`Keys must be unique at line ${line}, column `)
})

it('takes one key in several objects', () => {
  const text = '{"a":{"a":["a","a",{"a":"\\"a\\":1"}]},"b":{"a":"a"}}'
  expect(parseJson(text)).toEqual(JSON.parse(text))
})

it('finds the place that V8 finds, where V8 names one', () => {
  const broken = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom('', '{', '"', ',', ']', '1', '\\', '\n', 'x'))
    .map(([text, at, wrong]) => {
      const place = at % (text.length + 1)
      return text.slice(0, place) + wrong + text.slice(place + 1)
    })
  fc.assert(
    fc.property(broken, (text) => {
      const [, line, column] = /\(line (\d+) column (\d+)\)$/.exec(messageOf(() => JSON.parse(text))) ?? []
      fc.pre(line !== undefined)
      expect(messageOf(() => parseJson(text))).toMatch(new RegExp(` at line ${line}, column ${column}$`))
    }),
    { numRuns: 500 },
  )
})

function messageOf(parse: () => unknown): string {
  try {
    parse()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
