import { type SignalboxErrorCode, isSignalboxError } from '../errors.ts'
import type { Attempt, Ended } from '../types.ts'

/** Failures that speak against the model, or the way to it: its breaker and its health count them. */
const faultsOfTheModel: ReadonlySet<SignalboxErrorCode> = new Set([
  'upstream_error',
  'upstream_overloaded',
  'upstream_unreachable',
  'upstream_tls',
  'upstream_reset',
  'upstream_timeout',
  'bad_upstream_response',
])

/** Whether what an attempt failed with, after so many milliseconds, speaks against the model. */
export function isFaultOfTheModel(error: unknown, attempt: Attempt, ranMs: number): boolean {
  if (!isSignalboxError(error)) return false
  return faultsOfTheModel.has(error.code) || (error.code === 'deadline_exceeded' && wasSilent(attempt, ranMs))
}

/** Whether a model had time enough when the call's was up: at least half of its own, of a call that its caller did not hurry. */
function wasSilent({ call, candidate }: Attempt, ranMs: number): boolean {
  const { callMs, firstTokenMs, answerMs } = candidate.settings.timeouts
  const isHurried = call.deadline < call.record.startedMs + callMs
  return !isHurried && ranMs >= (call.request.parameters.stream ? firstTokenMs : answerMs) / 2
}

/** Whether a stream ended so by the model's fault. That it took longer than the call may take is none. */
export function brokeOff(how: Ended['how'], { call }: Attempt, nowMs: number): boolean {
  return how === 'stalled' || (how === 'cut' && nowMs < call.deadline)
}
