import { readCacheControl } from '../cache/cache-control.ts'
import { cacheDefaults } from '../cache/settings.ts'
import { mayBeCached } from '../call-cache/cached-calls.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'

/** As many characters of the key as tell requests apart: 132 bits. */
const length = 22

/** Writes down what stands for the request of each call that a cache could answer, where the configuration asks for it. */
export function fingerprint({ callKeyOf, cache }: BuiltInServices): Plugin {
  if (!callKeyOf) return definePlugin({ name: 'fingerprint' })
  return definePlugin({
    name: 'fingerprint',
    call: {
      run(call, next) {
        const settings = cache?.settingsOf(call.route) ?? cacheDefaults
        if (mayBeCached(call, settings, readCacheControl(call.cacheControl)))
          call.record.fingerprint = callKeyOf(call).slice(0, length)
        return next(call)
      },
    },
  })
}
