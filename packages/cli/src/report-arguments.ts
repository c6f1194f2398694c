import type { parseArgs } from 'node:util'
import { configFile } from './config-file.ts'

const kinds = ['costs', 'savings', 'recommendations', 'projection', 'failovers'] as const
const groups = ['model', 'user', 'key', 'team', 'route', 'tag', 'day'] as const
const formats = ['table', 'csv', 'json'] as const

/** Options of `signalbox report`. */
export interface ReportOptions {
  readonly config: string
  readonly kind: (typeof kinds)[number]
  readonly by: (typeof groups)[number]
  readonly from: number | undefined
  /** Not included. */
  readonly to: number | undefined
  readonly format: (typeof formats)[number]
  readonly baseline: string | undefined
  /** Only what is of these. */
  readonly filter: Readonly<Partial<Record<(typeof filters)[number], string>>>
  /** Traffic to project in place of the ledger's: a month's requests, and the tokens of each. */
  readonly traffic:
    | { readonly requests: number; readonly inputTokens: number; readonly outputTokens: number }
    | undefined
  /** How the traffic is spread, by the models' names. */
  readonly mix: Readonly<Record<string, number>> | undefined
}

const filters = ['model', 'user', 'key', 'team', 'route', 'tag'] as const

/** The flags of `signalbox report`. */
export const reportFlags = {
  config: { type: 'string', short: 'c' },
  by: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  format: { type: 'string', default: 'table' },
  baseline: { type: 'string' },
  model: { type: 'string' },
  user: { type: 'string' },
  key: { type: 'string' },
  team: { type: 'string' },
  route: { type: 'string' },
  tag: { type: 'string' },
  requests: { type: 'string' },
  'input-tokens': { type: 'string' },
  'output-tokens': { type: 'string' },
  mix: { type: 'string' },
} as const satisfies NonNullable<Parameters<typeof parseArgs>[0]>['options']

type Values = { readonly [Flag in keyof typeof reportFlags]?: string | undefined }

/** Reads what a report is asked for. Throws an Error that says what is wrong. */
export function reportOptions(values: Values, [kind, stray]: readonly string[]): ReportOptions {
  if (stray !== undefined) throw new Error(`"${stray}" is one argument too many`)
  const asked = oneOf('report', kind ?? 'costs', kinds)
  checkKind(asked, values)
  return {
    config: configFile(values.config, 'report'),
    kind: asked,
    by: oneOf('--by', values.by ?? 'model', groups),
    ...timesOf(values),
    format: oneOf('--format', values.format ?? 'table', formats),
    baseline: values.baseline,
    filter: Object.fromEntries(filters.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]]))),
    traffic: trafficOf(values),
    mix: values.mix === undefined ? undefined : mixOf(values.mix),
  }
}

/** What is given in vain would be taken for counted. */
function checkKind(kind: string, values: Values): void {
  const grouped = (['by', 'baseline'] as const).find((flag) => values[flag] !== undefined)
  if (grouped && kind !== 'costs' && kind !== 'savings')
    throw new Error(`--${grouped} needs report costs or report savings, got report ${kind}`)
  const given = (['requests', 'input-tokens', 'output-tokens', 'mix'] as const).filter((flag) => values[flag])
  if (kind !== 'projection' && given[0]) throw new Error(`--${given[0]} needs report projection, got report ${kind}`)
  const tokens = given.find((flag) => flag.endsWith('tokens'))
  if (tokens && values.requests === undefined) throw new Error(`--${tokens} needs --requests: it is of each of them`)
}

/** One of several words. Throws an Error that names them all. */
export function oneOf<T extends string>(what: string, value: string, all: readonly T[]): T {
  const found = all.find((one) => one === value)
  if (found) return found
  throw new Error(`${what}: expected one of ${all.join(', ')}, got "${value}"`)
}

const dayMs = 86_400_000

/** A period, as `--from` and `--to` say it. Throws an Error where it ends before it begins. */
export function timesOf(given: Pick<Values, 'from' | 'to'>) {
  const from = given.from === undefined ? undefined : timeOf('--from', given.from)
  const to = given.to === undefined ? undefined : timeOf('--to', given.to, dayMs)
  const end = given.to === undefined ? 'now' : `--to ${given.to}`
  if (from !== undefined && from >= (to ?? Date.now()))
    throw new Error(`--from: expected a time before ${end}, got "${given.from}"`)
  return { from, to }
}

/** A day (the last one is included) or an instant. In UTC, unless it names another zone. */
export function timeOf(flag: string, text: string, wholeDayMs = 0): number {
  const [, day, clock, zone = 'Z'] = /^(\d{4}-\d\d-\d\d)([T ]\d\d:[\d:.]+)?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? []
  const midnight = Date.parse(`${day}T00:00Z`)
  // A day that the calendar does not have is read as another one.
  const isDay = Number.isFinite(midnight) && new Date(midnight).toISOString().startsWith(day!)
  const time = clock === undefined ? midnight + wholeDayMs : Date.parse(`${day}${clock}${zone}`)
  if (isDay && Number.isFinite(time)) return time
  throw new Error(`${flag}: expected a day such as 2026-11-21 or a time such as 2026-11-21T12:00Z, got "${text}"`)
}

function trafficOf(values: Values): ReportOptions['traffic'] {
  if (values.requests === undefined) return undefined
  return {
    requests: count('--requests', values.requests),
    inputTokens: count('--input-tokens', values['input-tokens'] ?? '1000'),
    outputTokens: count('--output-tokens', values['output-tokens'] ?? '0'),
  }
}

function count(flag: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Error(`${flag}: expected a whole number, got "${text}"`)
}

function mixOf(text: string): Record<string, number> {
  const wrong = new Error(`--mix: expected shares such as "a=60,b=40", got "${text}"`)
  const shares = text.split(',').map((part) => {
    const at = part.lastIndexOf('=')
    const share = Number(part.slice(at + 1))
    if (at > 0 && isShare(share) && part.slice(at + 1).trim() !== '') return [part.slice(0, at).trim(), share] as const
    throw wrong
  })
  if (shares.every(([, share]) => share === 0)) throw wrong
  return Object.fromEntries(shares)
}

/** Smaller ones would be rounded away, and larger ones are none that a number counts exactly. */
const isShare = (share: number) => share === 0 || (share >= 1e-6 && share <= 1e15)
