import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { Call, Handler, Reply } from '../types.ts'

/** Sends a call by another route once a share of a budget is used, where a budget says so and its caller may use a model there. */
export function degrade({ treasury, routes }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'degrade',
    call: {
      enforce: 'pre',
      run: (call, next) => (treasury.budgets.degrades ? byAnotherRoute(call, next) : next(call)),
    },
  })

  async function byAnotherRoute(call: Call, next: Handler<Call>): Promise<Reply> {
    const route = await treasury.degraded(call)
    if (route === undefined || !mayUse(route, call)) return next(call)
    call.record.degradedTo = route
    return next({ ...call, route })
  }

  function mayUse(route: string, { identity: { models } }: Call): boolean {
    return !models || models.some((model) => routes.find(route)!.candidates.has(model))
  }
}
