import type { BreakerOptions } from '../breaker/breaker.ts'
import type { HealthOptions } from '../health/health-window.ts'

/** How often an attempt is repeated. */
export interface RetrySettings {
  /** Attempts at one model, the first included. @default 3 */
  readonly maxAttempts: number
  /** Attempts of one call at all its models together. @default 6 */
  readonly maxAttemptsPerCall: number
  /** Retries that a domain allows for each request to it. @default 0.099 */
  readonly budgetRatio: number
  /** Retries a second that a domain allows however few the requests are. @default 1 */
  readonly budgetPerSecond: number
}

/** How long each part of a call may take, in milliseconds. Models that think before they speak have the second default. */
export interface TimeoutSettings {
  /** A connection to a provider. @default 5_000 */
  readonly connectMs: number
  /** A stream's time to its first content. @default 30_000, 300_000 */
  readonly firstTokenMs: number
  /** A plain answer's time to its last byte. @default 120_000, 300_000 */
  readonly answerMs: number
  /** The longest silence inside a stream. @default 30_000 */
  readonly stallMs: number
  /** The whole call with all its attempts. @default 180_000, 600_000 */
  readonly callMs: number
}

/** When a model's breaker opens, for how long, and how it closes. Times are in milliseconds. */
export interface BreakerSettings {
  /** Failures in a row that open it. @default 5 */
  readonly consecutiveFailures: number
  /** The share of failing calls that opens it, above 0 and up to 1. @default 0.5 */
  readonly failureRate: number
  /** Calls the window must hold before the share can open it. @default 20 */
  readonly minimumCalls: number
  /** The window the share is taken over. @default 60_000 */
  readonly windowMs: number
  /** How long it stays open at first; it doubles with each trip. @default 30_000 */
  readonly openMs: number
  /** The longest it stays open, and never less than `openMs`. @default 300_000 */
  readonly maxOpenMs: number
  /** Calls that are let through at one time to see whether the model is back. @default 1 */
  readonly halfOpenProbes: number
}

/** How a model's health is judged. */
export interface HealthSettings extends Pick<HealthOptions, 'windowMs' | 'minimumCalls' | 'unhealthy' | 'degraded'> {
  /** Asks the model's provider in the background whether it is there. @default false */
  readonly probe?: ProbeSettings | false
}

/** An active probe. It is a plain GET, and never charged as a call. */
export interface ProbeSettings {
  /** @default 30_000 */
  readonly intervalMs?: number
  /** Below the base URL. @default '/models' */
  readonly path?: string
  /** @default 5_000 */
  readonly timeoutMs?: number
}

/** The settings that hold for one model on one route. */
export interface Settings {
  readonly retry: RetrySettings
  readonly timeouts: TimeoutSettings
  readonly breaker: BreakerSettings | false
  readonly health: HealthSettings | false
}

/** A level's own part of a setting: some of its keys, or `false` to switch it off. */
export type SettingsLevel = {
  readonly [K in keyof Settings]?: Partial<Exclude<Settings[K], false>> | false | undefined
}

const defaultRetry: RetrySettings = { maxAttempts: 3, maxAttemptsPerCall: 6, budgetRatio: 0.099, budgetPerSecond: 1 }

const defaultTimeouts: TimeoutSettings = {
  connectMs: 5_000,
  firstTokenMs: 30_000,
  answerMs: 120_000,
  stallMs: 30_000,
  callMs: 180_000,
}

/** A reasoning model thinks before it speaks. */
const reasoningTimeouts: TimeoutSettings = {
  ...defaultTimeouts,
  firstTokenMs: 300_000,
  answerMs: 300_000,
  callMs: 600_000,
}

const defaultBreaker: BreakerSettings = {
  consecutiveFailures: 5,
  failureRate: 0.5,
  minimumCalls: 20,
  windowMs: 60_000,
  openMs: 30_000,
  maxOpenMs: 300_000,
  halfOpenProbes: 1,
}

const retryOff: RetrySettings = { ...defaultRetry, maxAttempts: 1, maxAttemptsPerCall: Infinity }
const timeoutsOff: TimeoutSettings = {
  connectMs: Infinity,
  firstTokenMs: Infinity,
  answerMs: Infinity,
  stallMs: Infinity,
  callMs: Infinity,
}

/** The default limit of a request's and of an answer's body: 32 MiB. */
export const defaultMaxBodyBytes = 32 * 1024 * 1024

/** Settles the settings of a model on a route: the last level given wins, key by key. */
export function resolveSettings(reasoning: boolean, ...levels: readonly SettingsLevel[]): Settings {
  const of = <K extends keyof Settings>(key: K) => levels.map((level) => level[key])
  return {
    retry: merge(defaultRetry, retryOff, of('retry')),
    timeouts: merge(reasoning ? reasoningTimeouts : defaultTimeouts, timeoutsOff, of('timeouts')),
    breaker: inOrder(merge<BreakerSettings, false>(defaultBreaker, false, of('breaker'))),
    health: withTimeToThink(reasoning, merge<HealthSettings, false>({}, false, of('health'))),
  }
}

/** A reasoning model has ten times as long before it looks ill, as it has to answer. */
function withTimeToThink(reasoning: boolean, health: HealthSettings | false): HealthSettings | false {
  if (!reasoning || !health) return health
  const { unhealthy, degraded } = health
  return { ...health, unhealthy: { p99Ms: 30_000, ...unhealthy }, degraded: { p99Ms: 15_000, ...degraded } }
}

/** The longest time may be a default, or of another level than the first: it never shortens that. */
function inOrder(breaker: BreakerSettings | false): BreakerSettings | false {
  if (!breaker || breaker.openMs <= breaker.maxOpenMs) return breaker
  return { ...breaker, maxOpenMs: breaker.openMs }
}

/** The settings of a breaker as the mechanism takes them. */
export function breakerOptions({ failureRate, minimumCalls, windowMs, ...rest }: BreakerSettings): BreakerOptions {
  return { ...rest, failureRate: { threshold: failureRate, minimumCalls, windowMs } }
}

function merge<On extends object, Off>(
  defaults: On,
  off: Off,
  levels: readonly (Partial<On> | false | undefined)[],
): On | Off {
  return levels.reduce<On | Off>((settled, level) => {
    if (level === undefined) return settled
    if (level === false) return off
    return { ...(settled === off ? defaults : settled), ...given(level) }
  }, defaults)
}

const given = (level: object) => Object.fromEntries(Object.entries(level).filter(([, value]) => value !== undefined))
