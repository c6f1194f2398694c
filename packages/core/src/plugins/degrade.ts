import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { Call, Handler, Reply } from '../types.ts'

/** Sends a call by another route once a share of a budget is used, where a budget says so. */
export function degrade({ treasury }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'degrade',
    call: {
      stage: 'admit',
      enforce: 'pre',
      run: (call, next) => (treasury.budgets.degrades ? byAnotherRoute(call, next) : next(call)),
    },
  })

  async function byAnotherRoute(call: Call, next: Handler<Call>): Promise<Reply> {
    const route = await treasury.degraded(call)
    if (route === undefined) return next(call)
    call.record.degradedTo = route
    return next({ ...call, route })
  }
}
