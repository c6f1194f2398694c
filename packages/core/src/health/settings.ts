/** Above any of these a model is in that state. A bound that is left out is not looked at. */
export interface HealthThresholds {
  /** Of whole answers, in milliseconds. */
  p99Ms?: number
  /** Calls that failed, timeouts among them, as a share of the judged calls, 0 to 1. */
  errorRate?: number
  /** Calls that timed out, as a share of the judged calls, 0 to 1. */
  timeoutRate?: number
}

export interface HealthOptions {
  /**
   * How far back calls count, in milliseconds.
   *
   * @default 300_000
   */
  windowMs?: number
  /**
   * Judged calls the window must hold before the model can be anything but healthy.
   *
   * @default 10
   */
  minimumCalls?: number
  /**
   * How long `state` may be out of date, in milliseconds, so that reading it costs next to nothing.
   *
   * @default 1_000
   */
  stateMaxAgeMs?: number
  /** @default { p99Ms: 3_000, errorRate: 0.05, timeoutRate: 0.03 } */
  unhealthy?: HealthThresholds
  /** @default { p99Ms: 1_500, errorRate: 0.02 } */
  degraded?: HealthThresholds
}

export type HealthSettings = Required<HealthOptions>

/** Fills in the defaults, threshold by threshold, and refuses what makes no sense, saying what came instead. */
export function healthSettings(options: HealthOptions): HealthSettings {
  const settings = {
    windowMs: options.windowMs ?? 300_000,
    minimumCalls: options.minimumCalls ?? 10,
    stateMaxAgeMs: options.stateMaxAgeMs ?? 1_000,
    unhealthy: { p99Ms: 3_000, errorRate: 0.05, timeoutRate: 0.03, ...options.unhealthy },
    degraded: { p99Ms: 1_500, errorRate: 0.02, ...options.degraded },
  }
  check('windowMs', settings.windowMs, settings.windowMs > 0 && settings.windowMs < Infinity, 'a finite number above 0')
  check('minimumCalls', settings.minimumCalls, Number.isSafeInteger(settings.minimumCalls), 'a whole number from 0')
  check('stateMaxAgeMs', settings.stateMaxAgeMs, Number.isFinite(settings.stateMaxAgeMs), 'a finite number from 0')
  for (const state of ['unhealthy', 'degraded'] as const) checkThresholds(state, settings[state])
  return settings
}

function checkThresholds(state: string, thresholds: HealthThresholds) {
  for (const [name, value] of Object.entries(thresholds)) {
    if (name === 'p99Ms') check(`${state}.${name}`, value, true, 'a number from 0')
    else check(`${state}.${name}`, value, value <= 1, 'a share from 0 to 1')
  }
}

function check(name: string, value: number, holds: boolean, wanted: string) {
  if (typeof value !== 'number' || !(value >= 0) || !holds) {
    throw new RangeError(`health: ${name} must be ${wanted}, got ${String(value)}`)
  }
}
