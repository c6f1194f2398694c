import type { parseArgs } from 'node:util'
import { configFile } from './config-file.ts'
import { timeOf } from './report-arguments.ts'

const verbs = ['create', 'list', 'revoke'] as const
const windows = ['minute', 'hour', 'day', 'week', 'month'] as const

/** Options of `signalbox keys`. */
export type KeysOptions = { readonly config: string } & (
  | { readonly verb: 'list' }
  | { readonly verb: 'revoke'; readonly which: string }
  | { readonly verb: 'create'; readonly key: NewKey }
)

/** A key to be made. */
export interface NewKey {
  readonly name: string
  readonly user?: string
  readonly team?: string
  readonly tags?: readonly string[]
  readonly routes?: readonly string[]
  readonly models?: readonly string[]
  readonly maxCostUsd?: number
  readonly budgets?: readonly { readonly limitUsd: number; readonly window: (typeof windows)[number] }[]
  readonly expiresAt?: string
}

/** The flags of `signalbox keys`. */
export const keysFlags = {
  config: { type: 'string', short: 'c' },
  name: { type: 'string' },
  user: { type: 'string' },
  team: { type: 'string' },
  tag: { type: 'string', multiple: true },
  route: { type: 'string', multiple: true },
  model: { type: 'string', multiple: true },
  'max-cost-usd': { type: 'string' },
  'limit-usd': { type: 'string' },
  window: { type: 'string' },
  expires: { type: 'string' },
} as const satisfies NonNullable<Parameters<typeof parseArgs>[0]>['options']

type Values = {
  readonly [Flag in keyof typeof keysFlags]?:
    | ((typeof keysFlags)[Flag] extends { multiple: true } ? readonly string[] : string)
    | undefined
}

/** Reads what is to be done with keys. Throws an Error that says what is wrong. */
export function keysOptions(given: object, [asked, ...rest]: readonly string[]): KeysOptions {
  const values = given as Values
  const verb = verbs.find((one) => one === asked)
  if (!verb) throw new Error(`keys: expected one of ${verbs.join(', ')}, got "${asked ?? 'nothing'}"`)
  const config = configFile(values.config, `keys ${verb}`)
  const [which, stray] = rest
  const extra = verb === 'revoke' ? stray : which
  if (extra !== undefined) throw new Error(`"${extra}" is one argument too many`)
  if (verb === 'create') return { verb, config, key: newKey(values) }
  const [vain] = Object.keys(keysFlags).filter((flag) => flag !== 'config' && flag in values)
  if (vain !== undefined) throw new Error(`--${vain} needs keys create, got keys ${verb}`)
  if (verb === 'list') return { verb, config }
  if (which === undefined) throw new Error('keys revoke needs the name or the id of a key')
  return { verb, config, which }
}

function newKey(values: Values): NewKey {
  const { name, user, team, tag, route, model, window, expires } = values
  if (!name) throw new Error('keys create needs --name NAME')
  if (window !== undefined && values['limit-usd'] === undefined) throw new Error('--window needs --limit-usd')
  const period = windows.find((one) => one === (window ?? 'day'))
  if (!period) throw new Error(`--window: expected one of ${windows.join(', ')}, got "${window}"`)
  const [limitUsd, maxCostUsd] = (['limit-usd', 'max-cost-usd'] as const).map((flag) => amount(flag, values[flag]))
  return {
    name,
    ...(user !== undefined && { user }),
    ...(team !== undefined && { team }),
    ...(tag && { tags: tag }),
    ...(route && { routes: route }),
    ...(model && { models: model }),
    ...(maxCostUsd !== undefined && { maxCostUsd }),
    ...(limitUsd !== undefined && { budgets: [{ limitUsd, window: period }] }),
    ...(expires !== undefined && { expiresAt: expiryOf(expires) }),
  }
}

/** A day begins at midnight in UTC: a key that ends today has ended. */
function expiryOf(text: string): string {
  const time = timeOf('--expires', text)
  if (time > Date.now()) return new Date(time).toISOString()
  throw new Error(`--expires: expected a time to come, got "${text}"`)
}

function amount(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text)
  throw new Error(`--${flag}: expected US dollars, got "${text}"`)
}
