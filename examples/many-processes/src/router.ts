import { join } from 'node:path'
import { type Router, createRouter, openaiCompatible } from '@signalbox/core'

/** What every process makes its router of. */
export interface Place {
  /** The provider. */
  readonly baseUrl: string
  /** Where the files stand that the processes share. */
  readonly folder: string
}

/** The most that all calls together may cost, whichever process they reach. */
export const limitUsd = 0.002

/** The router of one process. It shares its budget with all whose `store` is the same file, and its ledger likewise. */
export function createAppRouter({ baseUrl, folder }: Place): Router {
  return createRouter({
    models: {
      mini: openaiCompatible({ baseUrl, model: 'gpt-4.1', apiKey: 'any', price: { input: 0.4, output: 1.6 } }),
    },
    budgets: [{ per: 'all', limitUsd, window: 'day' }],
    store: `sqlite:${join(folder, 'store.db')}`,
    ledger: join(folder, 'ledger.db'),
  })
}
