/** A column of a table of `Row`s. */
export interface Column<Row> {
  readonly title: string
  readonly align?: 'right'
  /** The most columns of the screen it may take; what is longer is cut. */
  readonly max?: number
  value(row: Row): string
}

/** The lines of an aligned table, the titles first. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const widths = columns.map(({ title, max = Infinity, value }) =>
    Math.min(max, Math.max(widthOf(title), ...rows.map((row) => widthOf(value(row))))),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => pad(cell, widths[at]!, columns[at]!.align))
      .join('  ')
      .trimEnd()
  return [line(columns.map(({ title }) => title)), ...rows.map((row) => line(columns.map(({ value }) => value(row))))]
}

function pad(text: string, width: number, align: Column<never>['align']): string {
  const fitting = cut(text, width)
  const space = ' '.repeat(width - widthOf(fitting))
  return align === 'right' ? space + fitting : fitting + space
}

/** A text of one line and at most so many characters. */
export function cut(text: string, width: number): string {
  const letters = lettersOf(text.replace(/\s+/g, ' '))
  return letters.length > width ? `${letters.slice(0, width - 1).join('')}…` : letters.join('')
}

const segmenter = new Intl.Segmenter()

/** What a reader counts as characters: one each, however many code points a letter with its accents has. */
export const lettersOf = (text: string): string[] => Array.from(segmenter.segment(text), ({ segment }) => segment)

const widthOf = (text: string) => lettersOf(text).length
