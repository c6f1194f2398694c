import { SignalboxError } from '../errors.ts'
import { type Plugin, definePlugin } from '../plugin.ts'

/** Refuses a call for a route that is not on its identity's list. */
export function permission(): Plugin {
  return definePlugin({
    name: 'permission',
    call: {
      stage: 'guard',
      enforce: 'pre',
      run(call, next) {
        const { routes } = call.identity
        if (!routes || routes.includes(call.route)) return next(call)
        throw new SignalboxError('route_not_allowed', 'This caller may not use the model that was asked for', {
          param: 'model',
        })
      },
    },
  })
}
