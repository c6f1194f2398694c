import type { RouterOptions } from '@signalbox/core'
import type { DispatcherFault } from '@signalbox/testkit'
import { type Simulation, simulate } from './simulation.ts'

interface TotalOutage extends Pick<RouterOptions, 'breaker'> {
  readonly models: readonly string[]
  readonly perSecond: number
  readonly warmUpSeconds: number
  readonly seconds: number
  readonly fault?: DispatcherFault
}

/** What a total outage cost and how it ended. */
interface OutageResult {
  /** Requests that each upstream got for each call while all were down. */
  readonly requestsPerCall: readonly number[]
  /** The longest time until a probe, when the models came back. */
  readonly untilProbeMs: number
  /** From then until the first call was answered, and until the last call that still failed was sent. */
  readonly firstAnswerMs: number
  readonly lastFailureMs: number
}

/** Takes every model down for a time while calls go on, and brings them back. */
export async function endureOutage(outage: TotalOutage): Promise<OutageResult> {
  const { models, perSecond, warmUpSeconds, seconds, fault = { status: 503 }, breaker } = outage
  const simulation = simulate({ models: Object.fromEntries(models.map((name) => [name, {}])), breaker })
  const { clock, calls, upstreams, router, offer } = simulation
  await offer({ perSecond, seconds: warmUpSeconds })
  const before = requestsOf(simulation)
  const callsBefore = calls.length
  for (const upstream of Object.values(upstreams)) upstream.fail(fault)
  await offer({ perSecond, seconds })
  const sent = calls.length - callsBefore
  const requestsPerCall = requestsOf(simulation).map((requests, index) => (requests - before[index]!) / sent)
  const untilProbeMs = Math.max(...router.status().models.map((model) => model.breaker?.retryAfterMs ?? 0))
  const healedMs = clock.now()
  for (const upstream of Object.values(upstreams)) upstream.heal()
  await offer({ perSecond, seconds: untilProbeMs / 1_000 + 20 })
  await clock.advance(180_000)
  const first = calls.find(({ model, endedMs = 0 }) => model !== undefined && endedMs > healedMs)
  const lastFailed = calls.findLast(({ error }) => error !== undefined)
  return {
    requestsPerCall,
    untilProbeMs,
    firstAnswerMs: (first?.endedMs ?? Infinity) - healedMs,
    lastFailureMs: (lastFailed?.sentMs ?? -Infinity) - healedMs,
  }
}

const requestsOf = ({ upstreams }: Simulation) => Object.values(upstreams).map(({ counts }) => counts.requests)
