import {
  type Mix,
  type OpenedLedger,
  type ProjectedModel,
  type Projection,
  type Report,
  type RouterOptions,
  SignalboxError,
  type Traffic,
  csvLine,
  openLedger,
  pricesOf,
  project,
  reportPeriod,
  modelsOfRoute,
} from '@signalbox/core'
import type { ReportOptions } from './arguments.ts'
import { dollars, headline, percent, reportCsv, reportText, round, when } from './report-text.ts'
import { type Column, displayWidth, printable, table } from './table.ts'
import { type Screen, screen } from './terminal.ts'

/** What `signalbox report` prints. */
export function report(config: RouterOptions, options: ReportOptions): string {
  const { kind, traffic, mix, format } = options
  if (kind === 'projection' && traffic) return projected(config, { traffic: monthly(traffic), mix, format })
  const ledger = openLedger(config)
  try {
    checkNames(ledger, config, options)
    return reports[kind](ledger, config, { ...options, ...reportPeriod(options, Date.now()) })
  } finally {
    ledger.end()
  }
}

/** What neither is configured nor was ever used is misspelt: its report would be the same as that of what cost nothing. */
function checkNames(ledger: OpenedLedger, { models, routes = {} }: RouterOptions, { filter }: ReportOptions): void {
  const configured = { model: Object.keys(models), route: [...Object.keys(routes), ...Object.keys(models)] }
  for (const name of ['model', 'route'] as const) {
    const { [name]: asked } = filter
    const isKnown = (value: string) =>
      configured[name].includes(value) ||
      [ledger.attempts, ledger.calls].some((rows) => rows({ [name]: value }).next().done === false)
    if (asked !== undefined && !isKnown(asked))
      throw new SignalboxError(
        'invalid_config',
        `--${name}: expected one of ${configured[name].join(', ')}, or one in the ledger, got ${JSON.stringify(asked)}`,
      )
  }
}

/** What a report is asked for, with its period. */
type Asked = ReportOptions & ReturnType<typeof reportPeriod>
type Make = (ledger: OpenedLedger, config: RouterOptions, options: Asked) => string

const reports: Readonly<Record<ReportOptions['kind'], Make>> = {
  costs: (ledger, _config, options) => sums(ledger, options, 'costs'),
  savings: (ledger, _config, options) => sums(ledger, options, 'savings'),
  recommendations,
  projection,
  failovers,
}

const queryOf = ({ from, to, filter }: Asked) => ({ ...filter, from, to })

function sums(ledger: OpenedLedger, options: Asked, kind: 'costs' | 'savings'): string {
  const { by, format, baseline } = options
  const made = ledger.report({ ...queryOf(options), by, baseline })
  if (format === 'json') return JSON.stringify(made, null, 2)
  if (format === 'csv') return reportCsv(made).trimEnd()
  return [reportText(made, kind, screen()), ...notes(unpricedNote(made))].join('\n')
}

/** What stands below a table, in lines that fit. */
const notes = (text: string | undefined) => (text === undefined ? [] : ['', ...wrapped(text, screen().width, '')])

/** An unknown price is not 0: what it was used for stands in no sum, and that is said. */
function unpricedNote({ total: { unpricedAttempts: attempts } }: Report): string | undefined {
  if (attempts === 0) return undefined
  const subject = attempts === 1 ? '1 attempt' : `${round(attempts)} attempts`
  return `${subject} used tokens at a price that nobody knows: no sum of money counts them.`
}

function recommendations(ledger: OpenedLedger, config: RouterOptions, options: Asked): string {
  const found = ledger.recommendations(queryOf(options))
  if (options.format === 'json') return JSON.stringify(found, null, 2)
  if (options.format === 'csv') return csvOf(found, ['kind', 'message', 'savingsUsd', 'attempts', 'unknown'] as const)
  const { width } = screen()
  const note = config.fingerprints ? [] : ['', ...wrapped(noFingerprints, width, '')]
  if (found.length === 0) return ['Nothing in this period would have cost less by another choice.', ...note].join('\n')
  const lines = found.flatMap(({ message, savingsUsd, attempts, unknown }, index) => [
    `${index + 1}. ${printable(message)}.`,
    `   Saves ${dollars(savingsUsd)} USD on ${round(attempts)} ${attempts === 1 ? 'attempt' : 'attempts'}, replayed. Not known: ${unknown}.`,
  ])
  return [
    headline('What would have cost less', options.from, options.to),
    '',
    ...lines.flatMap((line) => wrapped(line, width)),
    ...note,
  ].join('\n')
}

const noFingerprints =
  'Whether a cache would have hit is not known: the ledger keeps nothing of what was asked. With "fingerprints": true in the configuration it keeps a hash.'

function wrapped(text: string, width: number, indent = '   '): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && displayWidth(`${last} ${word}`) <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(last === undefined ? word : `${indent}${word}`)
  }
  return lines
}

interface Handover {
  readonly from: string
  readonly to: string
  readonly reason: string
  readonly route: string
  count: number
  last: number
}

function failovers(ledger: OpenedLedger, _config: RouterOptions, options: Asked): string {
  const handovers = new Map<string, Handover>()
  for (const { decision } of ledger.calls({ ...queryOf(options), minimumFailovers: 1 })) {
    for (const { from, to, reason, route, time } of (decision as { failovers?: Handover[] & { time: number }[] })
      .failovers ?? []) {
      const name = JSON.stringify([from, to, reason, route])
      const known = handovers.get(name) ?? { from, to, reason, route, count: 0, last: 0 }
      known.count++
      known.last = Math.max(known.last, time)
      handovers.set(name, known)
    }
  }
  const rows = [...handovers.values()]
    .toSorted((a, b) => b.count - a.count)
    .map((row) => ({ ...row, last: new Date(row.last).toISOString() }))
  if (options.format === 'json') return JSON.stringify(rows, null, 2)
  if (options.format === 'csv') return csvOf(rows, ['from', 'to', 'reason', 'route', 'count', 'last'] as const)
  if (rows.length === 0) return 'No call moved from one model to another in this period.'
  return [headline('Failovers', options.from, options.to), '', failoversTable(rows)].join('\n')
}

function failoversTable(rows: readonly (Omit<Handover, 'last'> & { readonly last: string })[]): string {
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { title: 'from', text: ({ from }) => printable(from), align: 'left' },
    { title: 'to', text: ({ to }) => printable(to), align: 'left' },
    { title: 'why', text: ({ reason }) => reason, align: 'left' },
    { title: 'route', text: ({ route }) => printable(route), align: 'left', dropAt: 1 },
    { title: 'times', text: ({ count }) => round(count) },
    { title: 'last', text: ({ last }) => when(last), dropAt: 2 },
  ]
  const all = rows.reduce((sum, { count }) => sum + count, 0)
  const total = { from: 'total', to: '', reason: '', route: '', count: all, last: '' }
  return table(columns, rows, { ...screen(), total, share: ({ count }) => count / all })
}

function csvOf<Row>(rows: readonly Row[], names: readonly (keyof Row & string)[]): string {
  return (csvLine(names) + rows.map((row) => csvLine(names.map((name) => String(row[name])))).join('')).trimEnd()
}

// The projection.

const monthMs = 30 * 86_400_000

const monthly = ({ requests, inputTokens, outputTokens }: NonNullable<ReportOptions['traffic']>): Traffic => ({
  requests,
  inputTokens: requests * inputTokens,
  cachedInputTokens: 0,
  outputTokens: requests * outputTokens,
})

function projection(ledger: OpenedLedger, config: RouterOptions, options: Asked): string {
  const made = ledger.report({ ...queryOf(options), by: 'model' })
  const first = ledger.attempts(queryOf({ ...options, from: Date.parse(made.from) })).next().value
  const spanMs = Date.parse(made.to) - Math.max(Date.parse(made.from), first?.time ?? 0)
  const { calls, inputTokens, cachedInputTokens, outputTokens } = made.total
  const scale = monthMs / Math.max(spanMs, 1)
  const traffic = {
    requests: Math.round(calls * scale),
    inputTokens: inputTokens * scale,
    cachedInputTokens: cachedInputTokens * scale,
    outputTokens: outputTokens * scale,
  }
  const observed = Object.fromEntries(
    made.rows.map((row) => [row.key, row.inputTokens + row.cachedInputTokens + row.outputTokens]),
  )
  const basis = `Reckoned from ${calls} calls in ${spanText(spanMs)}.`
  return projected(config, { traffic, mix: options.mix, observed, format: options.format, basis })
}

const units = [
  [86_400_000, 'days'],
  [3_600_000, 'hours'],
  [60_000, 'minutes'],
] as const

/** A span of time in the largest unit that it fills. */
function spanText(spanMs: number): string {
  const [unitMs, unit] = units.find(([longMs]) => spanMs >= longMs) ?? [1_000, 'seconds']
  return `${Number((spanMs / unitMs).toFixed(1))} ${unit}`
}

interface Projected {
  readonly traffic: Traffic
  readonly mix: ReportOptions['mix']
  readonly observed?: Readonly<Record<string, number>> | undefined
  readonly format: ReportOptions['format']
  /** What the traffic was reckoned from, in words. */
  readonly basis?: string
}

function projected(config: RouterOptions, { traffic, mix, observed, format, basis }: Projected): string {
  const known = pricesOf(config)
  const models: ProjectedModel[] = known.names.flatMap((name) => {
    const price = known.priceOf(name)
    return price ? [{ name, prices: price.base }] : []
  })
  if (models.length === 0) throw new SignalboxError('price_unknown', 'No price is known for any of the models')
  const priced = new Set(models.map(({ name }) => name))
  const unpriced = ({ shares }: Mix) =>
    Object.keys(shares).filter((name) => (shares[name] ?? 0) > 0 && !priced.has(name))
  if (mix) checkMix(unpriced({ strategy: '', shares: mix }), priced)
  const mixes = mixesOf(config, { models, mix, observed })
  const leftOut = mixes.filter((one) => unpriced(one).length > 0)
  const rows = project(
    traffic,
    models,
    mixes.filter((one) => !leftOut.includes(one)),
  )
  if (format === 'json') return JSON.stringify({ traffic, rows }, null, 2)
  if (format === 'csv')
    return csvOf(rows, ['strategy', 'monthlyUsd', 'usdPerMillionTokens', 'savingsUsd', 'savingsShare'] as const)
  const missing = [...new Set(leftOut.flatMap(unpriced))].join(', ')
  const note = `No price is known for ${missing}. Left out: ${leftOut.map(({ strategy }) => strategy).join(', ')}.`
  return [
    projectionText(traffic, rows, screen()),
    ...notes(leftOut.length > 0 ? note : undefined),
    ...notes(basis),
  ].join('\n')
}

function checkMix([unknown]: readonly string[], priced: ReadonlySet<string>): void {
  if (unknown === undefined) return
  const there = [...priced].join(', ') || 'none'
  throw new SignalboxError(
    'invalid_config',
    `--mix: no price is known for ${JSON.stringify(unknown)}; there are ${there}`,
  )
}

/** The first is what the others are compared with: all on the dearest. */
function mixesOf(
  { routes = {}, models: configured }: RouterOptions,
  { models, mix, observed }: { models: readonly ProjectedModel[] } & Pick<Projected, 'mix' | 'observed'>,
): Mix[] {
  const bySize = models.toSorted((a, b) => sizeOf(b) - sizeOf(a))
  const weights = Object.fromEntries(models.map(({ name }) => [name, configured[name]?.weight ?? 1]))
  const weightedRoutes = Object.entries(routes).flatMap(([name, route]) => {
    const shares = (route.models ?? modelsOfRoute(route)).map((entry) =>
      typeof entry === 'string'
        ? [entry, weights[entry] ?? 1]
        : [entry.model, entry.weight ?? weights[entry.model] ?? 1],
    )
    return shares.length > 1
      ? [{ strategy: `weighted (${name})`, shares: Object.fromEntries(shares) as Mix['shares'] }]
      : []
  })
  return [
    ...only('all on the dearest', bySize[0]),
    { strategy: 'round-robin', shares: Object.fromEntries(models.map(({ name }) => [name, 1])) },
    ...weightedRoutes,
    ...(mix ? [{ strategy: 'as given', shares: mix }] : []),
    ...(observed ? [{ strategy: 'as observed', shares: observed }] : []),
    ...only('all on the cheapest', bySize.at(-1)),
  ]
}

const only = (strategy: string, model: ProjectedModel | undefined): Mix[] =>
  model ? [{ strategy: `${strategy} (${model.name})`, shares: { [model.name]: 1 } }] : []

const sizeOf = ({ prices }: ProjectedModel) => prices.input + prices.output

function projectionText(traffic: Traffic, rows: readonly Projection[], { width, colours }: Screen): string {
  const columns: readonly Column<Projection>[] = [
    { title: 'strategy', text: ({ strategy }) => printable(strategy), align: 'left' },
    { title: 'USD/month', text: ({ monthlyUsd }) => dollars(monthlyUsd) },
    { title: 'USD/1M', text: ({ usdPerMillionTokens }) => dollars(usdPerMillionTokens), dropAt: 1 },
    { title: 'saved USD', text: ({ savingsUsd }) => dollars(savingsUsd) },
    { title: 'saved', text: ({ savingsShare }) => percent(savingsShare) },
  ]
  const most = Math.max(...rows.map(({ monthlyUsd }) => Number(monthlyUsd)))
  const format = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
  const tokens = traffic.inputTokens + traffic.cachedInputTokens + traffic.outputTokens
  return [
    `A month of ${format.format(traffic.requests)} requests and ${format.format(tokens)} tokens`,
    '',
    table(columns, rows, {
      width,
      colours,
      shareTitle: '',
      share: ({ monthlyUsd }) => (most === 0 ? 0 : Number(monthlyUsd) / most),
    }),
  ].join('\n')
}
