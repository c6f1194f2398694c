import { SignalboxError } from './errors.ts'

/** The fault of a configuration whose file cannot be opened, or is none for that. */
export function unusableFile(
  what: 'cache' | 'ledger',
  file: string,
  cause: unknown,
  use: 'kept in' | 'read from' = 'kept in',
): SignalboxError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SignalboxError('invalid_config', `the ${what} cannot be ${use} ${file}: ${why}`, { cause })
}
