import { expect, it } from 'vitest'
import { cut, table } from './table.ts'

it('aligns by what a reader sees, whatever a letter is made of', () => {
  const decomposed = 'Hà Nội'.normalize('NFD')
  const lines = table(
    [
      { title: 'city', value: (row: string) => row },
      { title: 'n', align: 'right', value: (row: string) => String(row.length) },
    ],
    ['Hà Nội', decomposed, 'Huế'],
  )
  expect(lines.map((line) => line.normalize('NFC'))).toEqual(['city    n', 'Hà Nội  6', 'Hà Nội  9', 'Huế     3'])
})

it('cuts what is too long for one line, and joins lines', () => {
  expect(cut('one two three', 8)).toBe('one two…')
  expect(cut('a\n  b', 8)).toBe('a b')
})
