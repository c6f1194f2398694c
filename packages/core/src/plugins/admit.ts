import { limitError } from '../admission.ts'
import { SignalboxError } from '../errors.ts'
import type { Permit } from '../limiter/types.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { RequestCaps } from '../admission.ts'
import { tokensOf } from '../tokens/request.ts'
import type { Call, Reply } from '../types.ts'
import { acquire, expectedTokens, priorityOf, tokensUsed } from './limits-of-call.ts'

/**
 * Lets a call go on to cost something: within the caps on one request, within its caller's limits (which refuse at once)
 * and its route's (which let it wait).
 */
export function admit({ admission, clock }: BuiltInServices): Plugin {
  const { limiter } = admission
  return definePlugin({
    name: 'admit',
    call: {
      stage: 'admit',
      async run(call, next) {
        for (const caps of admission.capsOf(call)) checkCaps(call, caps)
        const callers = admission.ofCaller(call)
        const routes = admission.ofRoute(call.route)
        if (callers.length === 0 && routes.length === 0) return next(call)
        const tokens = expectedTokens(tokensOf(call.request))
        const leaseMs = Math.min(Math.max(call.deadline - clock.now(), 0) + leaseGraceMs, longestLeaseMs)
        const permits: Permit[] = []
        try {
          for (const [scope, limits] of [
            ['caller', callers],
            ['route', routes],
          ] as const) {
            if (limits.length === 0) continue
            const request = { limits, tokens, leaseMs, mayWait: scope === 'route' }
            const answer = await acquire(limiter, {
              ...request,
              priority: priorityOf(call),
              deadline: call.deadline,
              signal: call.signal,
            })
            if (!answer.granted) throw finalError(limitError(answer))
            permits.push(answer)
          }
          const reply = await next(call)
          void settle(call, reply, permits)
          return reply
        } catch (error) {
          const sent = call.record.attempts.length > 0
          await Promise.all(
            permits.map((permit) => (sent ? permit.settle({ tokens: usedBy(call) }) : permit.release())),
          )
          throw error
        }
      },
    },
  })
}

const leaseGraceMs = 20_000
const longestLeaseMs = 3_600_000

/** A caller's or a route's limit holds whichever model is tried. */
const finalError = (error: SignalboxError) => Object.assign(error, { movesOn: false })

async function settle(call: Call, { ended }: Reply, permits: readonly Permit[]): Promise<void> {
  await ended
  for (const permit of permits) await permit.settle({ tokens: usedBy(call) })
}

/** What all attempts of a call used together. */
function usedBy({ record }: Call): number {
  return record.attempts.reduce((sum, { usage }) => sum + (usage ? tokensUsed(usage) : 0), 0)
}

function checkCaps(call: Call, caps: RequestCaps): void {
  const { choices = 1, maxOutputTokens = 0 } = call.request.parameters
  if (caps.maxChoices !== undefined) check('n', choices, caps.maxChoices)
  if (caps.maxOutputTokens !== undefined) check('max_tokens', maxOutputTokens, caps.maxOutputTokens)
  if (caps.maxInputTokens !== undefined) check('messages', tokensOf(call.request).inputTokens, caps.maxInputTokens)
}

function check(param: string, asked: number, limit: number): void {
  if (asked <= limit) return
  throw new SignalboxError('limit_exceeded', `The request asks for ${asked} in "${param}", and ${limit} is the most`, {
    param,
  })
}
