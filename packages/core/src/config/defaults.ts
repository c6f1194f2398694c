/** How often an attempt is repeated. */
export interface RetrySettings {
  /** Attempts at one model, the first included. */
  readonly maxAttempts: number
  /** Attempts of one call at all its models together. */
  readonly maxAttemptsPerCall: number
}

/** How long each part of a call may take, in milliseconds. */
export interface TimeoutSettings {
  /** A connection to a provider. */
  readonly connectMs: number
  /** A stream's time to its first content. */
  readonly firstTokenMs: number
  /** A plain answer's time to its last byte. */
  readonly answerMs: number
  /** The longest silence inside a stream. */
  readonly stallMs: number
  /** The whole call with all its attempts. */
  readonly callMs: number
}

/** The settings that hold for one model on one route. */
export interface Settings {
  readonly retry: RetrySettings
  readonly timeouts: TimeoutSettings
}

/** A level's own part of a setting: some of its keys, or `false` to switch it off. */
export type SettingsLevel = { readonly [K in keyof Settings]?: Partial<Settings[K]> | false | undefined }

export const defaultRetry: RetrySettings = { maxAttempts: 3, maxAttemptsPerCall: 6 }

export const defaultTimeouts: TimeoutSettings = {
  connectMs: 5_000,
  firstTokenMs: 30_000,
  answerMs: 120_000,
  stallMs: 30_000,
  callMs: 180_000,
}

/** A reasoning model thinks before it speaks. */
export const reasoningTimeouts: TimeoutSettings = {
  ...defaultTimeouts,
  firstTokenMs: 300_000,
  answerMs: 300_000,
  callMs: 600_000,
}

const retryOff: RetrySettings = { maxAttempts: 1, maxAttemptsPerCall: Infinity }
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
  return {
    retry: merge(
      defaultRetry,
      retryOff,
      levels.map((level) => level.retry),
    ),
    timeouts: merge(
      reasoning ? reasoningTimeouts : defaultTimeouts,
      timeoutsOff,
      levels.map((level) => level.timeouts),
    ),
  }
}

function merge<T extends object>(defaults: T, off: T, levels: readonly (Partial<T> | false | undefined)[]): T {
  return levels.reduce<T>((settled, level) => {
    if (level === undefined) return settled
    if (level === false) return off
    return { ...(settled === off ? defaults : settled), ...level }
  }, defaults)
}
