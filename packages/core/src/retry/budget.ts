import type { Clock } from '../clock.ts'

/** How many retries are allowed beside first attempts. */
export interface RetryBudgetOptions {
  /**
   * Retries earned by each request.
   *
   * @default 0.1
   */
  ratio?: number
  /**
   * Retries a second that are allowed however few the requests are.
   *
   * @default 1
   */
  minimumPerSecond?: number
  /**
   * How long what a request has earned stays good at least, in milliseconds; it lapses before twice that. At least
   * twice the attempt timeout: a request that fails by timeout asks for its retry one timeout after it was counted.
   *
   * @default 240_000
   */
  windowMs?: number
  /**
   * Earned retries that can be saved up. It bounds what an outage after a quiet time can cost beyond `ratio`.
   *
   * @default 10
   */
  burst?: number
}

/** Keeps retries from multiplying the load on what is already failing. One for each domain. */
export interface RetryBudget {
  /** Counts a request; call it when the request starts, not when it ends, so that calls in flight are seen. */
  recordRequest(): void
  /** Takes one retry from the budget; false when it is spent, and the call must do without. */
  tryTake(): boolean
}

/**
 * A budget of `max(ratio * requests, minimumPerSecond * seconds)` retries. Each request earns `ratio` of a retry, and
 * a retry spends one; when less than one is left, a retry still passes if none has in the last `1 / minimumPerSecond`
 * seconds, and takes what is left with it. So in any stretch of time
 * `retries <= ratio * requests + burst` while the ratio rules, and never two floor retries closer than the floor's gap.
 *
 * Source: Finagle's RetryBudget (deposits, withdrawals, a reserve by the second); the figures are the SRE book's,
 * Handling Overload. An unbounded window of savings would pay for a storm: 4 quiet minutes at 50 requests a second
 * would save 1,200 retries.
 *
 * @example
 * const budget = createRetryBudget({ ratio: 0.1 }, systemClock)
 * budget.recordRequest()
 * if (failed && budget.tryTake()) retry()
 */
export function createRetryBudget(options: RetryBudgetOptions, clock: Clock): RetryBudget {
  const { ratio, floorGapMs, windowMs, burst } = settings(options)
  let earned = 0
  let earnedBefore = 0
  let windowEndMs = clock.now() + windowMs
  let nextFloorMs = floorGapMs === Infinity ? Infinity : -Infinity

  function turnWindow(now: number) {
    if (now < windowEndMs) return
    const justEnded = now < windowEndMs + windowMs
    earnedBefore = justEnded ? earned : 0
    earned = 0
    windowEndMs = (justEnded ? windowEndMs : now) + windowMs
  }

  function recordRequest() {
    turnWindow(clock.now())
    earned = Math.min(burst, earned + ratio)
    earnedBefore = Math.min(earnedBefore, burst - earned)
  }

  function tryTake() {
    const now = clock.now()
    turnWindow(now)
    if (!spend(now >= nextFloorMs)) return false
    nextFloorMs = now + floorGapMs
    return true
  }

  function spend(byFloor: boolean) {
    const left = earnedBefore + earned - 1
    if (left < -rounding && !byFloor) return false
    earnedBefore = Math.max(0, earnedBefore - 1)
    earned = Math.max(0, Math.min(earned, left))
    return true
  }

  return { recordRequest, tryTake }
}

/** Ten tenths must make a whole. */
const rounding = 1e-9

function settings({ ratio = 0.1, minimumPerSecond = 1, windowMs = 240_000, burst = 10 }: RetryBudgetOptions) {
  check('ratio', ratio, ratio >= 0, 'a finite number from 0')
  check('minimumPerSecond', minimumPerSecond, minimumPerSecond >= 0, 'a finite number from 0')
  check('windowMs', windowMs, windowMs > 0, 'a finite number above 0')
  check('burst', burst, burst >= 1, 'a finite number from 1')
  return { ratio, floorGapMs: 1_000 / minimumPerSecond, windowMs, burst }
}

function check(name: string, value: number, holds: boolean, wanted: string) {
  if (!Number.isFinite(value) || !holds) {
    throw new RangeError(`retry budget: ${name} must be ${wanted}, got ${String(value)}`)
  }
}
