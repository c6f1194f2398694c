import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { csvLine } from './csv.ts'

/** Any UTF-16 code unit, lone surrogates included. fast-check's own `binary` takes seconds to make. */
const codeUnit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))

describe('a line of CSV', () => {
  it.each([
    [['a', 1, 2n, true, null, undefined, ''], 'a,1,2,true,,,\r\n'],
    [['one, two', 'say "x"', 'two\r\nlines'], '"one, two","say ""x""","two\r\nlines"\r\n'],
    [['=1+1', '+1', '-x', '@x', '\t=x', '\r=x', '-1.5', -2], `'=1+1,'+1,'-x,'@x,'\t=x,"'\r=x",-1.5,-2\r\n`],
    [['＝1+1', '＋1', '－x', '＠x', 'x＝1'], `'＝1+1,'＋1,'－x,'＠x,x＝1\r\n`],
    [['="a,b"'], `"'=""a,b"""\r\n`],
  ] as const)('is $1', (values, line) => {
    expect(csvLine(values)).toBe(line)
  })

  it('gives every text back to a reader of RFC 4180, and none of it as a formula', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: codeUnit }), { minLength: 1 }), (texts) => {
        const cells = read(csvLine(texts))
        expect(cells.map((cell, index) => (cell === `'${texts[index]}` ? texts[index] : cell))).toEqual(texts)
        expect(cells.filter((cell) => /^[=+@]|^-(?!\d+(\.\d+)?$)/.test(cell))).toEqual([])
      }),
    )
  })
})

/** A reader of one line, by the book. */
function read(line: string): string[] {
  const cells = ['']
  let quoted = false
  for (let at = 0; at < line.length - 2; at++) {
    const [char, next] = [line[at]!, line[at + 1]]
    if (char === '"' && quoted && next === '"') cells.push(cells.pop()! + line[at++])
    else if (char === '"') quoted = !quoted
    else if (char === ',' && !quoted) cells.push('')
    else cells.push(cells.pop()! + char)
  }
  return cells
}
