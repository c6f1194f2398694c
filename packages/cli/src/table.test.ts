import { expect, it } from 'vitest'
import { type Column, table } from './table.ts'

interface Row {
  readonly name: string
  readonly usd: number
}

const columns: readonly Column<Row>[] = [
  { title: 'name', text: ({ name }) => name, align: 'left' },
  { title: 'USD', text: ({ usd }) => usd.toFixed(2) },
  { title: 'milli-USD', text: ({ usd }) => String(usd * 1_000), dropAt: 1 },
  { title: 'micro-USD', text: ({ usd }) => String(usd * 1_000_000), dropAt: 2 },
]
const rows = [
  { name: 'a', usd: 3 },
  { name: '東京', usd: 1 },
]
const draw = (names: readonly string[], width: number) =>
  table(
    columns,
    names.map((name, index) => ({ name, usd: index + 1 })),
    { width },
  ).split('\n')

it('has a total below a rule, and bars that show each share, in eighths', () => {
  const drawn = table(columns.slice(0, 2), rows, {
    width: 24,
    total: { name: 'total', usd: 4 },
    share: ({ usd }) => usd / 4,
  })
  expect(drawn.split('\n')).toEqual([
    'name    USD  share',
    'a      3.00  ████████▎',
    '東京   1.00  ██▊',
    '───────────',
    'total  4.00',
  ])
})

it('lines up what is two columns wide, and what is one in several characters', () => {
  expect(draw(['東京', '🚀', 'nguyê\u0303n', 'abcdef'], 14)).toEqual([
    'name     USD',
    '東京    1.00',
    '🚀      2.00',
    'nguyê\u0303n  3.00',
    'abcdef  4.00',
  ])
})

it('cuts long names, never in the middle of a character, before it leaves out a column', () => {
  const long = '東京'.repeat(20)
  expect(draw([long, 'a'], 50)).toEqual([
    'name                     USD  milli-USD  micro-USD',
    '東京東京東京東京東京…   1.00       1000    1000000',
    'a                       2.00       2000    2000000',
  ])
  expect(draw([long, 'a'], 40)[0]).toMatch(/^name +USD +milli-USD$/)
  expect(draw([long, 'a'], 26)[0]).toMatch(/^name +USD$/)
})

it('is drawn without bars where not even its narrowest columns fit', () => {
  const narrow = table(columns, rows, { width: 5, share: ({ usd }) => usd / 4 })
  expect(narrow.split('\n')).toEqual(['name           USD', 'a             3.00', '東京          1.00'])
})

it('takes more rows than a call takes arguments', () => {
  const many = Array.from({ length: 600_000 }, () => ({ name: 'user', usd: 1 }))
  expect(table(columns.slice(0, 1), many, { width: 80 })).toMatch(/^name\nuser\n/)
})

it('paints only where it may', () => {
  const drawn = (colours: boolean) => table(columns, rows, { width: 80, colours, share: () => 1 })
  expect(drawn(false)).not.toContain('\u001B')
  expect(drawn(true)).toContain('\u001B[36m█')
})
