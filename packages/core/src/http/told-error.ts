import { dialects } from '../dialects/index.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { CallRecord } from '../record.ts'
import type { DialectName } from '../types.ts'
import { errorAnswer } from './answer.ts'
import type { FaceAnswer, FaceRequest } from './contract.ts'

/** The answer that tells a caller of an error. One that is no error of ours is told as `internal_error`, and logged. */
export function toldError(error: unknown, dialect: DialectName, { log }: FaceRequest, record?: CallRecord): FaceAnswer {
  const known = isSignalboxError(error)
    ? error
    : new SignalboxError('internal_error', 'Something went wrong inside Signalbox', { cause: error })
  const answer = errorAnswer(known, dialects[dialect])
  if (answer.status === 500) log?.error({ ...(record && { id: record.id }), err: known }, known.message)
  return { ...answer, error: known, cancel: () => undefined, ...(record && { record }) }
}
