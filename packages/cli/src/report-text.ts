import { csvLine, type Report, type ReportRow } from '@signalbox/core'
import { type Column, printable, table } from './table.ts'
import type { Screen } from './terminal.ts'

const numbers = new Intl.NumberFormat('en-US')
export const round = (value: number) => numbers.format(Math.round(value))

/** Dollars for people: cents, and more digits where there is less than a cent. */
export function dollars(usd: string): string {
  const value = Number(usd)
  const digits = value !== 0 && Math.abs(value) < 0.01 ? 6 : 2
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** Money of which some is not known is at least so much, or not known at all. */
const atLeast = (usd: string, { costUsd, unpricedAttempts }: ReportRow) =>
  unpricedAttempts === 0 ? dollars(usd) : Number(costUsd) === 0 ? 'unknown' : `≥ ${dollars(usd)}`

export const percent = (share: number) => `${(share * 100).toFixed(1)} %`

const perMillionTokens = ({ costUsd, inputTokens, cachedInputTokens, outputTokens }: ReportRow) => {
  const tokens = inputTokens + cachedInputTokens + outputTokens
  return tokens === 0 ? 0 : (Number(costUsd) * 1e6) / tokens
}

const named = (by: string): Column<ReportRow> => ({
  title: by,
  text: ({ key }) => (key === '' ? '(none)' : printable(key)),
  align: 'left',
})

const costColumns: readonly Column<ReportRow>[] = [
  { title: 'calls', text: ({ calls }) => round(calls) },
  { title: 'attempts', text: ({ attempts }) => round(attempts), dropAt: 5 },
  { title: 'input', text: ({ inputTokens }) => round(inputTokens), dropAt: 3 },
  { title: 'cached', text: ({ cachedInputTokens }) => round(cachedInputTokens), dropAt: 6 },
  { title: 'output', text: ({ outputTokens }) => round(outputTokens), dropAt: 2 },
  { title: 'reasoning', text: ({ reasoningTokens }) => round(reasoningTokens), dropAt: 9 },
  { title: 'USD', text: (row) => atLeast(row.costUsd, row) },
  { title: 'saved USD', text: ({ savingsUsd }) => dollars(savingsUsd), dropAt: 4 },
  { title: 'mean ms', text: ({ meanLatencyMs }) => round(meanLatencyMs), dropAt: 7 },
  { title: 'p99 ms', text: ({ p99LatencyMs }) => round(p99LatencyMs), dropAt: 1 },
  { title: 'ok', text: ({ successRate }) => percent(successRate), dropAt: 1 },
  { title: 'last used', text: ({ lastUsed }) => (lastUsed ?? '').slice(0, 16).replace('T', ' '), dropAt: 8 },
]

const savingsColumns: readonly Column<ReportRow>[] = [
  { title: 'calls', text: ({ calls }) => round(calls), dropAt: 2 },
  { title: 'USD', text: (row) => atLeast(row.costUsd, row) },
  { title: 'baseline USD', text: ({ baselineUsd }) => dollars(baselineUsd) },
  { title: 'saved USD', text: ({ savingsUsd }) => dollars(savingsUsd) },
  { title: 'saved', text: (row) => percent(Number(row.savingsUsd) / (Number(row.baselineUsd) || 1)) },
  { title: 'USD/1M tokens', text: (row) => atLeast(String(perMillionTokens(row)), row), dropAt: 1 },
]

/** A report for people: what was spent, or what was saved. */
export function reportText(report: Report, kind: 'costs' | 'savings', { width, colours }: Screen): string {
  const spent = Number(report.total.costUsd)
  const columns = [named(report.by), ...(kind === 'costs' ? costColumns : savingsColumns)]
  return [
    headline(
      `${kind === 'costs' ? 'Costs' : 'Savings'} by ${report.by}`,
      Date.parse(report.from),
      Date.parse(report.to),
    ),
    '',
    report.rows.length === 0
      ? 'There is nothing in this period.'
      : table(columns, report.rows, {
          width,
          colours,
          total: report.total,
          share: ({ costUsd }) => (spent === 0 ? 0 : Number(costUsd) / spent),
        }),
  ].join('\n')
}

/** What a report is of, and its period. */
export const headline = (what: string, from: number, to: number) =>
  `${what}, ${when(new Date(from).toISOString())} to ${when(new Date(to).toISOString())} (UTC)`

export const when = (iso: string) => iso.slice(0, 16).replace('T', ' ')

/** A report as CSV: a line for each group, and no total. */
export function reportCsv({ rows }: Report): string {
  const names = [
    'key',
    'calls',
    'attempts',
    'unpricedAttempts',
    'inputTokens',
    'cachedInputTokens',
    'outputTokens',
    'reasoningTokens',
    'costUsd',
    'baselineUsd',
    'savingsUsd',
    'meanLatencyMs',
    'p99LatencyMs',
    'successRate',
    'lastUsed',
  ] as const
  return csvLine(names) + rows.map((row) => csvLine(names.map((name) => row[name]))).join('')
}
