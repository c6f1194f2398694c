import { stripVTControlCharacters, styleText } from 'node:util'

/** A column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  /** @default right */
  readonly align?: 'left'
  /** Left out where the table is too wide, the largest first. @default 0: never */
  readonly dropAt?: number
}

/** What a table is drawn with. */
export interface TableOptions<Row> {
  /** How wide it may be, in characters. */
  readonly width: number
  /** A last line below a rule. */
  readonly total?: Row
  /** What each row's bar shows the share of. @default no bars */
  readonly share?: (row: Row) => number
  /** Stands above the bars. @default 'share' */
  readonly shareTitle?: string
  readonly colours?: boolean
}

const gap = '  '
const narrowestName = 12
/** Names are cut to this share of the width before a column is left out. */
const widestName = 0.4
const widestBar = 40
const narrowestBar = 6

/** Draws a table that fits a width: long names in the first column are cut, then the less important columns go. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], options: TableOptions<Row>): string {
  const { width, total, share, shareTitle = 'share', colours = false } = options
  const all = total ? [...rows, total] : rows
  const bar = share ? narrowestBar + gap.length : 0
  const fit = fitting(
    columns.map((column) => ({ column, width: widthOf(column, all) })),
    width - bar,
  )
  const shown = fit.map(({ column }) => column)
  const widths = fit.map((measured) => measured.width)
  const over = sum(widths) + gap.length * (shown.length - 1) + bar - width
  if (over > 0) widths[0] = Math.max(narrowestName, widths[0]! - over)
  const used = sum(widths) + gap.length * (shown.length - 1)
  // What can be no narrower goes over the edge, without bars.
  const barWidth = share ? Math.min(widestBar, Math.max(0, width - used - gap.length)) : 0

  const line = (cells: readonly string[]) =>
    cells.map((text, index) => aligned(text, widths[index]!, shown[index]!.align)).join(gap)
  const cells = (row: Row) => shown.map(({ text }) => text(row))
  const withBar = (row: Row) =>
    share && barWidth > 0 ? `${line(cells(row))}${gap}${barOf(share(row), barWidth, colours)}` : line(cells(row))
  const paint = (style: 'bold' | 'dim', text: string) =>
    colours ? styleText(style, text, { validateStream: false }) : text
  return [
    paint('bold', `${line(shown.map(({ title }) => title))}${barWidth > 0 ? gap + shareTitle : ''}`.trimEnd()),
    ...rows.map((row) => withBar(row).trimEnd()),
    ...(total ? [paint('dim', '─'.repeat(used)), paint('bold', line(cells(total)).trimEnd())] : []),
  ].join('\n')
}

interface Measured<Row> {
  readonly column: Column<Row>
  readonly width: number
}

function fitting<Row>(columns: readonly Measured<Row>[], width: number): readonly Measured<Row>[] {
  const [name, ...others] = columns.map((measured) => measured.width) as [number, ...number[]]
  const cutName = Math.min(name, Math.max(narrowestName, Math.floor(width * widestName)))
  if (cutName + sum(others) + gap.length * others.length <= width) return columns
  const dropAt = ({ column }: Measured<Row>) => column.dropAt ?? 0
  const least = columns.toSorted((a, b) => dropAt(b) - dropAt(a))[0]!
  return dropAt(least) > 0
    ? fitting(
        columns.filter((one) => one !== least),
        width,
      )
    : columns
}

const widthOf = <Row>({ title, text }: Column<Row>, rows: readonly Row[]) =>
  rows.reduce((widest, row) => Math.max(widest, displayWidth(text(row))), displayWidth(title))

function aligned(text: string, width: number, align: 'left' | undefined): string {
  const cut = displayWidth(text) > width ? `${cutTo(text, width - 1)}…` : text
  const space = ' '.repeat(Math.max(0, width - displayWidth(cut)))
  return align === 'left' ? cut + space : space + cut
}

function cutTo(text: string, width: number): string {
  let cut = ''
  for (const { segment } of segmenter.segment(text)) {
    if (displayWidth(cut + segment) > width) break
    cut += segment
  }
  return cut
}

const segmenter = new Intl.Segmenter()
const wide =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|\p{Emoji_Presentation}/u

/** The columns that a text takes in a terminal. */
export function displayWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += wide.test(segment) ? 2 : 1
  return width
}

/** Eighths of a block, so that small shares differ too. */
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

function barOf(share: number, width: number, colours: boolean): string {
  const parts = Math.round(Math.min(1, Math.max(0, share)) * width * 8)
  const bar = '█'.repeat(Math.floor(parts / 8)) + eighths[parts % 8]!
  return colours ? styleText('cyan', bar, { validateStream: false }) : bar
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)

/** Text from a ledger, fit for a terminal: no control character of it is left. */
export const printable = (text: string) =>
  stripVTControlCharacters(text).replaceAll(
    /[\p{Cc}\p{Cf}]/gu,
    (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  )
