import { type DispatchedRequest, type EnforcedLimitOptions, seededRandom } from '@signalbox/testkit'
import { type Simulation, simulate } from './simulation.ts'

/** The most that an upstream took on within any 60 seconds. */
export function mostInAMinute(journal: readonly DispatchedRequest[]): { requests: number; tokens: number } {
  const taken = journal.filter(({ outcome }) => outcome !== 'limited')
  const most = { requests: 0, tokens: 0 }
  let head = 0
  let tokens = 0
  for (const [index, request] of taken.entries()) {
    tokens += request.tokens
    for (; taken[head]!.atMs <= request.atMs - 60_000; head++) tokens -= taken[head]!.tokens
    most.requests = Math.max(most.requests, index - head + 1)
    most.tokens = Math.max(most.tokens, tokens)
  }
  return most
}

/** Tokens as they come: short questions, answers from 100 to 400. */
export function variedUsage(seed = 1) {
  const random = seededRandom(seed)
  return () => ({ inputTokens: 20 + Math.floor(random() * 20), outputTokens: 100 + Math.floor(random() * 300) })
}

export interface Overload {
  readonly upstream: EnforcedLimitOptions
  readonly own?: { readonly requestsPerMinute?: number; readonly tokensPerMinute?: number }
  readonly offeredPerMinute: number
  readonly seconds?: number
}

/** Offers five minutes of calls to one model whose upstream keeps limits of its own. */
export async function overload({ upstream, own, offeredPerMinute, seconds = 300 }: Overload): Promise<Simulation> {
  const simulation = simulate({
    models: { a: { limits: upstream, errorMs: 50, usage: variedUsage(), options: { limits: own } } },
    queue: { maximumWaiting: 20 },
    timeouts: { callMs: 120_000 },
  })
  await simulation.offer({ perSecond: offeredPerMinute / 60, seconds })
  return simulation
}
