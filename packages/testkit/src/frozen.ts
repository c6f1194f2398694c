import { definePlugin } from '@signalbox/core'

/** Freezes to the bottom what the plugins behind it, and the strategies, are given: whoever writes into it fails, and is named. */
export const frozen = definePlugin({
  name: 'contract',
  call: (call, next) => {
    deepFreeze(call.request.body)
    for (const part of [call.identity, call.labels, call.state, call.headers]) deepFreeze(part)
    return next(call)
  },
})

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
}
