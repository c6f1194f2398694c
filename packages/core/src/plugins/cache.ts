import { createCachedCalls } from '../call-cache/cached-calls.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'

/** Answers calls from what was answered before, and makes one call of those that ask the same at the same time. */
export function cache({ cache: answers, clock, refreshing }: BuiltInServices): Plugin {
  if (!answers) return definePlugin({ name: 'cache' })
  return definePlugin({
    name: 'cache',
    call: { run: createCachedCalls({ answers, clock, end: refreshing }) },
    close: () => answers.close(),
  })
}
