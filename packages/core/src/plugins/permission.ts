import { SignalboxError } from '../errors.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { Call } from '../types.ts'

/** Refuses a call for a route that is not on its identity's list. */
export function permission(): Plugin {
  return definePlugin({
    name: 'permission',
    call: {
      enforce: 'pre',
      run(call, next) {
        checkRoute(call)
        return next(call)
      },
    },
  })
}

/** @throws SignalboxError `route_not_allowed` for a route that is not on the list of the call's identity */
function checkRoute({ identity: { routes }, route }: Call): void {
  if (!routes || routes.includes(route)) return
  throw new SignalboxError('route_not_allowed', 'This caller may not use the model that was asked for', {
    param: 'model',
  })
}
