import { SignalboxError } from '../errors.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { Call } from '../types.ts'

const name = 'permission'

/** Whether a hook is the one that refuses calls for routes that are not their callers'. */
export const isPermission = ({ plugin }: { readonly plugin: string }): boolean => plugin === name

/** Refuses a call for a route that is not on its identity's list. */
export function permission(): Plugin {
  return definePlugin({
    name,
    call: {
      stage: 'guard',
      enforce: 'pre',
      run(call, next) {
        checkRoute(call)
        return next(call)
      },
    },
  })
}

/** @throws SignalboxError `route_not_allowed` for a route that is not on the list of the call's identity */
export function checkRoute({ identity: { routes }, route }: Call): void {
  if (!routes || routes.includes(route)) return
  throw new SignalboxError('route_not_allowed', 'This caller may not use the model that was asked for', {
    param: 'model',
  })
}
