import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'

/** Sends a call by another route once a share of a budget is used, where a budget says so. */
export function degrade({ treasury }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'degrade',
    call: {
      stage: 'admit',
      enforce: 'pre',
      async run(call, next) {
        const route = treasury.budgets.degrades ? await treasury.degraded(call) : undefined
        return next(route === undefined ? call : { ...call, route })
      },
    },
  })
}
