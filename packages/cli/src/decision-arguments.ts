import type { parseArgs } from 'node:util'
import { configFile } from './config-file.ts'
import { oneOf, timesOf } from './report-arguments.ts'

/** Options of `signalbox explain`. */
export interface ExplainOptions {
  readonly config: string
  readonly prompt: string
  /** The route or model asked for. */
  readonly route: string | undefined
  /** Who asks. */
  readonly identity: { readonly [Field in 'key' | 'user' | 'team' | 'tier']?: string } & {
    readonly tags: readonly string[]
  }
  /** Labels that stand whatever the classifiers say. */
  readonly labels: Readonly<Record<string, string>>
  readonly json: boolean
}

/** Options of `signalbox replay`. */
export interface ReplayOptions {
  readonly config: string
  /** A ledger, or a file of recorded calls, a line each. */
  readonly log: string
}

/** Options of `signalbox simulate`. */
export interface SimulateOptions {
  readonly ledger: string
  readonly policy: string
  readonly from: number | undefined
  /** Not included. */
  readonly to: number | undefined
  readonly format: 'table' | 'json'
}

/** The flags of `signalbox explain`. */
export const explainFlags = {
  config: { type: 'string', short: 'c' },
  prompt: { type: 'string' },
  route: { type: 'string' },
  key: { type: 'string' },
  user: { type: 'string' },
  team: { type: 'string' },
  tier: { type: 'string' },
  tag: { type: 'string', multiple: true },
  label: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const satisfies NonNullable<Parameters<typeof parseArgs>[0]>['options']

/** The flags of `signalbox replay`. */
export const replayFlags = { config: { type: 'string', short: 'c' } } as const

/** The flags of `signalbox simulate`. */
export const simulateFlags = {
  ledger: { type: 'string' },
  policy: { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
  format: { type: 'string' },
} as const

type Values<Flags> = {
  readonly [Flag in keyof Flags]?: Flags[Flag] extends { multiple: true }
    ? readonly string[]
    : string | boolean | undefined
}

/** Reads what is to be explained. Throws an Error that says what is wrong. */
export function explainOptions(values: Values<typeof explainFlags>, [stray]: readonly string[]): ExplainOptions {
  if (stray !== undefined) throw new Error(`"${stray}" is one argument too many; a prompt is given by --prompt`)
  const { tag = [], label = [], json } = values
  const { config, prompt, route } = values as Readonly<Record<string, string | undefined>>
  if (prompt === undefined) throw new Error('explain needs --prompt TEXT')
  const who = (['key', 'user', 'team', 'tier'] as const).flatMap((field) => {
    const value = values[field]
    return typeof value === 'string' ? [[field, value] as const] : []
  })
  return {
    config: configFile(config, 'explain'),
    prompt,
    route,
    identity: { ...Object.fromEntries(who), tags: tag },
    labels: Object.fromEntries(label.map(labelOf)),
    json: json === true,
  }
}

function labelOf(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new Error(`--label: expected a label such as task=code, got "${text}"`)
}

/** Reads what is to be replayed. Throws an Error that says what is wrong. */
export function replayOptions(values: Values<typeof replayFlags>, [log, stray]: readonly string[]): ReplayOptions {
  if (stray !== undefined) throw new Error(`"${stray}" is one argument too many`)
  if (!log) throw new Error('replay needs a LOG: a ledger, or a file of recorded calls')
  const { config } = values as Readonly<Record<string, string | undefined>>
  return { config: configFile(config, 'replay'), log }
}

/** Reads what is to be simulated. Throws an Error that says what is wrong. */
export function simulateOptions(values: Values<typeof simulateFlags>, [stray]: readonly string[]): SimulateOptions {
  if (stray !== undefined)
    throw new Error(`"${stray}" is one argument too many; files are given by --ledger and --policy`)
  const { ledger, policy, from, to, format = 'table' } = values as Readonly<Record<string, string | undefined>>
  if (!ledger || !policy) throw new Error('simulate needs --ledger FILE and --policy FILE')
  return {
    ledger,
    policy,
    ...timesOf({ from, to }),
    format: oneOf('--format', format, ['table', 'json'] as const),
  }
}
