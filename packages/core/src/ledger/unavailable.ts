import { SignalboxError } from '../errors.ts'

const retryAfterMs = 1_000

/** The error for money that cannot be counted now: nothing is sent that nobody could charge. */
export function ledgerUnavailable(cause: unknown): SignalboxError {
  return new SignalboxError('ledger_unavailable', 'What calls cost cannot be written down at the moment', {
    cause,
    retryAfterMs,
  })
}
