/** What makes a breaker open, for how long, and how it closes again. Times are in milliseconds. */
export interface BreakerOptions {
  /**
   * Failures in a row that open the breaker; `false` switches this rule off.
   *
   * @default 5
   */
  consecutiveFailures?: number | false
  /** Opens the breaker by the share of calls that fail in a sliding window; `false` switches this rule off. */
  failureRate?: FailureRateOptions | false
  /**
   * How long the first trip keeps everyone out. Each further trip without a close between doubles it.
   *
   * @default 30_000
   */
  openMs?: number
  /**
   * The longest time one trip keeps everyone out.
   *
   * @default 300_000
   */
  maxOpenMs?: number
  /**
   * Permits that may be out at one time while half-open.
   *
   * @default 1
   */
  halfOpenProbes?: number
  /**
   * Probes that must succeed before the breaker closes.
   *
   * @default 1
   */
  successesToClose?: number
}

/** When the share of failing calls opens the breaker. */
interface FailureRateOptions {
  /**
   * The share of failures, above 0 and up to 1, at which the breaker opens.
   *
   * @default 0.5
   */
  threshold?: number
  /**
   * Judged calls the window must hold before their failures can open the breaker.
   *
   * @default 20
   */
  minimumCalls?: number
  /**
   * The length of the window.
   *
   * @default 60_000
   */
  windowMs?: number
}

export type FailureRateSettings = Required<FailureRateOptions>

export type BreakerSettings = Required<Omit<BreakerOptions, 'failureRate'>> & {
  failureRate: FailureRateSettings | false
}

/** Fills in the defaults and refuses what makes no sense, saying what came instead. */
export function breakerSettings(options: BreakerOptions): BreakerSettings {
  const openMs = positive('openMs', options.openMs ?? 30_000)
  return {
    consecutiveFailures: consecutiveFailures(options.consecutiveFailures ?? 5),
    failureRate: failureRate(options.failureRate ?? {}),
    openMs,
    maxOpenMs: atLeast(openMs, 'maxOpenMs', options.maxOpenMs ?? Math.max(300_000, openMs)),
    halfOpenProbes: count('halfOpenProbes', options.halfOpenProbes ?? 1),
    successesToClose: count('successesToClose', options.successesToClose ?? 1),
  }
}

/** Refuses anything but a finite number above zero. */
export function positive(name: string, value: number): number {
  return Number.isFinite(value) && value > 0 ? value : refuse(name, 'a finite number above 0', value)
}

const consecutiveFailures = (value: number | false) => value !== false && count('consecutiveFailures', value)

function failureRate(options: FailureRateOptions | false): FailureRateSettings | false {
  if (options === false) return false
  return {
    threshold: share('failureRate.threshold', options.threshold ?? 0.5),
    minimumCalls: count('failureRate.minimumCalls', options.minimumCalls ?? 20),
    windowMs: positive('failureRate.windowMs', options.windowMs ?? 60_000),
  }
}

function count(name: string, value: number): number {
  return Number.isSafeInteger(value) && value >= 1 ? value : refuse(name, 'a whole number from 1', value)
}

function share(name: string, value: number): number {
  return value > 0 && value <= 1 ? value : refuse(name, 'above 0 and at most 1', value)
}

function atLeast(least: number, name: string, value: number): number {
  return Number.isFinite(value) && value >= least ? value : refuse(name, `a finite number from openMs, ${least}`, value)
}

function refuse(name: string, wanted: string, came: unknown): never {
  throw new RangeError(`breaker: ${name} must be ${wanted}, got ${String(came)}`)
}
