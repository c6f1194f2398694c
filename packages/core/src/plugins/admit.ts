import { limitError } from '../admission.ts'
import { SignalboxError } from '../errors.ts'
import type { Limit } from '../limiter/limits.ts'
import type { Permit } from '../limiter/types.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { RequestCaps } from '../admission.ts'
import { after } from '../store/after.ts'
import { leaseMsUntil } from '../store/lease-time.ts'
import type { MaybePromise } from '../store/store.ts'
import { tokensOf } from '../tokens/request.ts'
import type { Call, Handler, Reply } from '../types.ts'
import { acquire, expectedTokens, mayHaveUsed, priorityOf, tokensUsed } from '../limiter/limits-of-call.ts'

/**
 * Lets a call go on to cost something: within the caps on one request, within its caller's limits (which refuse at once)
 * and its route's (which let it wait).
 */
export function admit({ admission, clock }: BuiltInServices): Plugin {
  const { limiter } = admission
  let permits = 0
  return definePlugin({
    name: 'admit',
    call: {
      run(call, next) {
        const bounds = {
          caps: admission.capsOf(call),
          callers: admission.ofCaller(call),
          routes: admission.ofRoute(call.route),
        }
        // A call that nothing limits passes without a promise of its own.
        const isFree = bounds.caps.length + bounds.callers.length + bounds.routes.length === 0
        return isFree ? next(call) : withinLimits(call, bounds, next)
      },
    },
  })

  async function withinLimits(call: Call, { caps, callers, routes }: CallBounds, next: Handler<Call>): Promise<Reply> {
    for (const one of caps) checkCaps(call, one)
    const passage: Passage = { permits: [], before: call.record.attempts.length }
    try {
      if (callers.length > 0) passage.permits.push(await admitted(call, 'caller', callers))
      if (routes.length > 0) passage.permits.push(await admitted(call, 'route', routes))
      const reply = await next(call)
      void settle(call, reply, passage)
      return reply
    } catch (error) {
      await giveBack(call, passage)
      throw error
    }
  }

  function admitted(call: Call, scope: 'caller' | 'route', limits: readonly Limit[]): MaybePromise<Permit> {
    const { signal, deadline } = call
    const asked = {
      id: `${call.key}/${scope}/${++permits}`,
      limits,
      tokens: expectedTokens(tokensOf(call.request)),
      leaseMs: leaseMsUntil(deadline, clock.now()),
      priority: priorityOf(call),
      mayWait: scope === 'route',
      signal,
      deadline,
    }
    return after(acquire(limiter, asked), (answer) => {
      if (answer.granted) return answer
      throw limitError(answer)
    })
  }
}

interface CallBounds {
  readonly caps: readonly RequestCaps[]
  /** What bounds whoever calls, and all calls of the route. */
  readonly callers: readonly Limit[]
  readonly routes: readonly Limit[]
}

/** One way of a call through its limits: a plugin further out may send the same call more than once. */
interface Passage {
  readonly permits: Permit[]
  /** How many attempts the call had made by then: those count already. */
  readonly before: number
}

async function settle(call: Call, { ended }: Reply, { permits, before }: Passage): Promise<void> {
  await ended
  const tokens = usedBy(call, before)
  for (const permit of permits) await permit.settle({ tokens })
}

/** Of a call that was never sent nothing counts; where an attempt may have used what nobody told, the estimate stands. */
async function giveBack(call: Call, { permits, before }: Passage): Promise<void> {
  const attempts = call.record.attempts.slice(before)
  const tokens = attempts.some(mayHaveUsed) ? undefined : usedBy(call, before)
  for (const permit of permits) await (attempts.length === 0 ? permit.release() : permit.settle({ tokens }))
}

/** What the attempts of a call used together, from one on. */
function usedBy({ record }: Call, from: number): number {
  return record.attempts.slice(from).reduce((sum, { usage }) => sum + (usage ? tokensUsed(usage) : 0), 0)
}

function checkCaps(call: Call, caps: RequestCaps): void {
  const { choices = 1, maxOutputTokens = 0 } = call.request.parameters
  if (caps.maxChoices !== undefined) check('n', choices, caps.maxChoices)
  if (caps.maxOutputTokens !== undefined) check('max_tokens', maxOutputTokens, caps.maxOutputTokens)
  if (caps.maxInputTokens !== undefined) check('messages', tokensOf(call.request).inputTokens, caps.maxInputTokens)
}

function check(param: string, asked: number, limit: number): void {
  if (asked >= 0 && asked <= limit) return
  throw new SignalboxError('limit_exceeded', `The request asks for ${asked} in "${param}", and ${limit} is the most`, {
    param,
  })
}
