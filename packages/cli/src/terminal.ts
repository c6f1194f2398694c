import { styleText } from 'node:util'

/** Writes what was asked for. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Tells a person something beside the output. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Tells a person what went wrong: its first line stands out. */
export function fail(text: string): void {
  const [first = '', ...rest] = text.split('\n')
  tell([styleText('red', `signalbox: ${first}`, { stream: process.stderr }), ...rest].join('\n'))
}

/** Text that stands out among the output, where that is a terminal. */
export const bold = (text: string) => styleText('bold', text, { stream: process.stdout })

/** Lines of two columns, the second in line: behind the widest of the first, or at a width that is given. */
export function columns(rows: readonly (readonly [string, string])[], width = widest(rows)): string {
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`.trimEnd()).join('\n')
}

/** How wide the first column is. */
export const widest = (rows: readonly (readonly [string, string])[]) => Math.max(...rows.map(([first]) => first.length))

/** What a table is drawn on. */
export interface Screen {
  /** In characters. */
  readonly width: number
  readonly colours: boolean
}

const usualWidth = 80
const widestTable = 160

/** The terminal that the output goes to, or one of the usual size. `COLUMNS` says how wide it is where nobody else does. */
export function screen({ stdout, env }: Pick<NodeJS.Process, 'stdout' | 'env'> = process): Screen {
  const width = stdout.columns ?? Number(env['COLUMNS'] ?? usualWidth)
  return {
    width: Math.min(widestTable, width > 0 ? width : usualWidth),
    colours: stdout.isTTY && stdout.hasColors(),
  }
}
