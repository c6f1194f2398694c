import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'

/** Sets the deadlines of an attempt, which the model keeps. */
export function timeout({ clock }: BuiltInServices): Plugin {
  return definePlugin({
    name: 'timeout',
    attempt: {
      run(attempt, next) {
        const { firstTokenMs, answerMs, stallMs } = attempt.candidate.settings.timeouts
        const limitMs = attempt.call.request.parameters.stream ? firstTokenMs : answerMs
        return next({ ...attempt, deadline: Math.min(attempt.deadline, clock.now() + limitMs), stallMs })
      },
    },
  })
}
