import { SignalboxError } from '../errors.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import { prepared } from '../providers/any-dialect.ts'

/**
 * Passes over a model in whose dialect the request cannot be said, before anything is held or waited for. What may be
 * left out, and whether a loss is a reason to refuse, the configuration says.
 */
export function translate({ refusesLosses }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'translate',
    attempt: {
      enforce: 'pre',
      run(attempt, next) {
        const { call, candidate } = attempt
        if (!candidate.quirks && candidate.dialects.includes(call.dialect)) return next(attempt)
        const { lost } = prepared(call, candidate)
        if (lost.length > 0 && refusesLosses) throw untranslatable(lost, candidate.name)
        return next(attempt)
      },
    },
  })
}

function untranslatable(lost: readonly string[], model: string): SignalboxError {
  const named = lost.slice(0, 10).map((name) => JSON.stringify(name.slice(0, 100)))
  const message = `The model's provider has nothing for ${named.join(', ')}: leave it out, or ask a model that does`
  return new SignalboxError('untranslatable', message, { model, param: lost[0]! })
}
