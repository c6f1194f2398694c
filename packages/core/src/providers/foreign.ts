import type { Attempt, Ended, Handler, Reply, Request, Usage } from '../types.ts'
import { tokensOf } from '../tokens/request.ts'
import { isCount, isCounted, tokenClasses } from '../dialects/usage.ts'
import { estimateUsage } from './usage.ts'

/**
 * Holds a provider that is not of this package to what a reply promises: how it ended is told without fail, and in counts.
 * What it used and does not say is estimated: it is charged, and never as nothing.
 */
export function heldToCount(send: Handler<Attempt>): Handler<Attempt> {
  return async function sendHeldToCount(attempt) {
    const reply = await send(attempt)
    const { request } = attempt.call
    const ended = Promise.resolve(reply.ended).then(
      (told) => counted(told, request, reply),
      (): Ended => ({ how: 'cut', usage: estimate(request, reply), estimated: true }),
    )
    return { ...reply, ended }
  }
}

function counted(told: Ended | undefined, request: Request, reply: Reply): Ended {
  const { usage } = (told ?? {}) as Partial<Ended>
  if (told && isCounted(usage)) return told
  const estimated = estimate(request, reply)
  const read = tokenClasses.map((name) => [name, isCount(usage?.[name]) ? usage[name] : estimated[name]] as const)
  const faults = [...(usage?.faults ?? []), 'not_a_count'] as const
  return { how: told?.how ?? 'complete', usage: { ...estimated, ...Object.fromEntries(read), faults }, estimated: true }
}

/** Of a stream nothing was kept that could be counted: it used what it was allowed to, where that is known. */
const estimate = (request: Request, { body }: Reply): Usage =>
  estimateUsage(request, {
    textBytes: body instanceof Uint8Array ? body.length : 0,
    deltas: body instanceof Uint8Array ? 0 : tokensOf(request).outputTokens,
  })
