import type { Interval } from '../../packages/classifier/src/metrics/bootstrap.ts'

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`

export const fixed = (value: number, digits = 3) => value.toFixed(digits)
export const percent = (share: number | undefined) => (share === undefined ? 'never' : `${(share * 100).toFixed(1)} %`)
export const within = ([low, high]: Interval, digits = 3) => `${low.toFixed(digits)} to ${high.toFixed(digits)}`
export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
