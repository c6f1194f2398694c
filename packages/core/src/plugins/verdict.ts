import type { SignalboxErrorCode } from '../errors.ts'

/** Failures that speak against the model, or the way to it: its breaker and its health count them. */
export const faultsOfTheModel: ReadonlySet<SignalboxErrorCode> = new Set([
  'upstream_error',
  'upstream_overloaded',
  'upstream_unreachable',
  'upstream_tls',
  'upstream_reset',
  'upstream_timeout',
  'bad_upstream_response',
])
