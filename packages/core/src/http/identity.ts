import { SignalboxError, isSignalboxError } from '../errors.ts'
import { isPromise } from '../store/after.ts'
import type { Identity } from '../types.ts'
import type { FaceRequest } from './contract.ts'

/** Asks the host who calls. What the host throws with a status of 401 or 403 is told as that; all else is its own fault. */
export function identityOf(request: FaceRequest): Identity | Promise<Identity> {
  try {
    const identity = request.identify()
    return isPromise(identity) ? identity.then((known) => known ?? nobody, refused) : (identity ?? nobody)
  } catch (cause) {
    return refused(cause)
  }
}

const nobody: Identity = Object.freeze({})

function refused(cause: unknown): never {
  if (isSignalboxError(cause)) throw cause
  const { status } = cause as { status?: unknown }
  if (status === 401) throw new SignalboxError('unauthenticated', 'The caller is not known', { cause })
  if (status === 403) throw new SignalboxError('forbidden', 'The caller may not do this', { cause })
  throw new SignalboxError('internal_error', 'The caller could not be identified', { cause })
}
