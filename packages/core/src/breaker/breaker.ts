import type { Clock } from '../clock.ts'
import { breakerSettings, positive } from './settings.ts'
import type { BreakerOptions, BreakerSettings } from './settings.ts'
import { createTripRules } from './trip-rules.ts'
import type { TripReason, TripRule } from './trip-rules.ts'
import type { Breaker, BreakerChange, BreakerSnapshot, Permit } from './types.ts'

export type { BreakerOptions } from './settings.ts'
export type * from './types.ts'

interface Closed {
  readonly name: 'closed'
}

interface Open {
  readonly name: 'open'
  readonly trips: number
  readonly untilMs: number
}

interface HalfOpen {
  readonly name: 'half-open'
  readonly trips: number
  /** When each permit that is out comes back by itself. */
  readonly leases: Map<Permit, number>
  successes: number
}

type State = Closed | Open | HalfOpen

const defaultPermitLeaseMs = 600_000

/**
 * A circuit breaker: stops calls to what keeps failing, and finds out with a few probes when it works again. It has
 * no timers; time passes when someone asks. After a trip all counts start afresh, and a close resets the open time.
 *
 * @example
 * const breaker = createBreaker({ openMs: 10_000 }, { clock: systemClock })
 * const permit = breaker.tryAcquire()
 * if (permit) await call().then(permit.success, permit.failure)
 */
export function createBreaker(
  options: BreakerOptions,
  { clock, onChange }: { clock: Clock; onChange?: (change: BreakerChange) => void },
): Breaker {
  const settings = breakerSettings(options)
  const rules = createTripRules(settings)
  let state: State = { name: 'closed' }

  function tryAcquire(permitLeaseMs = defaultPermitLeaseMs): Permit | undefined {
    if (state.name === 'closed') return createPermit(state)
    const now = clock.now()
    if (state.name === 'half-open') return tryProbe(state, now, permitLeaseMs)
    if (now < state.untilMs) return undefined
    return tryProbe(halfOpen(state), now, permitLeaseMs)
  }

  function tryProbe(taken: HalfOpen, now: number, permitLeaseMs: number) {
    positive('permitLeaseMs', permitLeaseMs)
    for (const [permit, endMs] of taken.leases) if (endMs <= now) taken.leases.delete(permit)
    if (taken.leases.size >= settings.halfOpenProbes) return undefined
    const permit = createPermit(taken)
    taken.leases.set(permit, now + permitLeaseMs)
    return permit
  }

  function createPermit(taken: Closed | HalfOpen): Permit {
    let resolved = false
    function resolve(judge?: (taken: Closed | HalfOpen) => void) {
      if (resolved) return
      resolved = true
      if (taken !== state) return
      if (taken.name === 'half-open' && !returnProbe(taken, permit)) return
      judge?.(taken)
    }
    const permit = { success: () => resolve(succeed), failure: () => resolve(fail), ignore: () => resolve() }
    return permit
  }

  /** False when the probe's lease has ended. */
  function returnProbe({ leases }: HalfOpen, permit: Permit) {
    const endMs = leases.get(permit) ?? -Infinity
    leases.delete(permit)
    return endMs > clock.now()
  }

  function succeed(taken: Closed | HalfOpen) {
    if (taken.name === 'closed') {
      const now = clock.now()
      for (const rule of rules) rule.success(now)
    } else if (++taken.successes >= settings.successesToClose) {
      change({ name: 'closed' }, 'probe-succeeded')
    }
  }

  function fail(taken: Closed | HalfOpen) {
    const now = clock.now()
    if (taken.name === 'half-open') return trip('probe-failed', taken.trips + 1, now)
    const reason = firstTripped(rules, now)
    if (reason) trip(reason, 1, now)
  }

  function trip(reason: TripReason | 'probe-failed', trips: number, now: number) {
    for (const rule of rules) rule.reset()
    change({ name: 'open', trips, untilMs: now + openTimeMs(settings, trips) }, reason)
  }

  function halfOpen({ trips }: Open): HalfOpen {
    const next: HalfOpen = { name: 'half-open', trips, leases: new Map(), successes: 0 }
    change(next, 'open-time-over')
    return next
  }

  function change(next: State, reason: BreakerChange['reason']) {
    const from = state.name
    state = next
    onChange?.({ from, to: next.name, reason, retryAfterMs: next.name === 'open' ? next.untilMs - clock.now() : 0 })
  }

  const nameNow = () => (state.name === 'open' && clock.now() >= state.untilMs ? 'half-open' : state.name)

  function retryAfterMs() {
    if (state.name === 'closed') return 0
    const now = clock.now()
    return state.name === 'open' ? Math.max(0, state.untilMs - now) : untilProbeMs(state, settings, now)
  }

  function snapshot(): BreakerSnapshot {
    const now = clock.now()
    const counts = (reason: TripReason) => rules.find((rule) => rule.reason === reason)?.counts(now)
    return {
      state: nameNow(),
      retryAfterMs: retryAfterMs(),
      trips: state.name === 'closed' ? 0 : state.trips,
      probes: state.name === 'half-open' ? liveLeases(state, now).length : 0,
      consecutiveFailures: counts('consecutive-failures')?.failures ?? 0,
      ...(counts('failure-rate') ?? { calls: 0, failures: 0 }),
    }
  }

  return {
    get state() {
      return nameNow()
    },
    tryAcquire,
    retryAfterMs,
    snapshot,
  }
}

/** Every rule must see the failure, so the search does not stop at the first that trips. */
function firstTripped(rules: readonly TripRule[], now: number): TripReason | undefined {
  let reason: TripReason | undefined
  for (const rule of rules) if (rule.failure(now)) reason ??= rule.reason
  return reason
}

const openTimeMs = ({ openMs, maxOpenMs }: BreakerSettings, trips: number) =>
  Math.min(maxOpenMs, openMs * 2 ** (trips - 1))

const liveLeases = ({ leases }: HalfOpen, now: number) => [...leases.values()].filter((endMs) => endMs > now)

function untilProbeMs(state: HalfOpen, { halfOpenProbes, openMs }: BreakerSettings, now: number) {
  const leases = liveLeases(state, now)
  return leases.length < halfOpenProbes ? 0 : Math.min(openMs, ...leases.map((endMs) => endMs - now))
}
