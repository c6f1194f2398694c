import cluster from 'node:cluster'
import type { RouterOptions } from '../config/options.ts'
import { readKeys } from '../keys/key-file.ts'
import type { KeyScope, KeySource } from '../keys/settings.ts'

/** Every router of a process would say the same. */
let isTold = false

/**
 * Says, once for a process, that limits and budgets count in it alone although it is one of several: a cluster's worker, or
 * not the first instance of PM2. Who writes `store: 'memory'` knows.
 */
export function tellOfOwnCounts(options: RouterOptions): void {
  if (isTold || options.store || !isOneOfSeveral()) return
  const [first, ...others] = counted(options)
  if (first === undefined) return
  isTold = true
  const what = others.length > 0 ? `${first} and ${others.length} more` : first
  process.emitWarning(
    `Each process of this cluster counts by itself: ${what}. "store": "sqlite:FILE" counts for all of them, "memory" says that it is meant so`,
    { type: 'SignalboxWarning', code: 'SIGNALBOX_COUNTS_PER_PROCESS' },
  )
}

const isOneOfSeveral = () => cluster.isWorker || Number(process.env['NODE_APP_INSTANCE'] ?? 0) > 0

/** The settings of a configuration that count what callers and models use. */
const counted = ({ budgets, limits, keys, models, routes = {} }: RouterOptions): readonly string[] => [
  ...(budgets && budgets.length > 0 ? ['budgets'] : []),
  ...(limits && limits.length > 0 ? ['limits'] : []),
  ...(keys && keys.flatMap(scopesOf).some(hasBudgets) ? ['keys'] : []),
  ...limited('models', models),
  ...limited('routes', routes),
]

const scopesOf = (source: KeySource): readonly KeyScope[] => ('file' in source ? readKeys(source.file) : [source])
const hasBudgets = ({ budgets = [] }: KeyScope) => budgets.length > 0

type Limited = Readonly<Record<string, { readonly limits?: object | false | undefined }>>

const limited = (group: string, members: Limited) =>
  Object.entries(members).flatMap(([name, { limits }]) => (limits ? [`${group}.${name}.limits`] : []))
