import { SignalboxError, isSignalboxError } from '../errors.ts'
import { isPromise } from '../store/after.ts'
import type { Router } from '../router.ts'
import type { Identity } from '../types.ts'
import type { FaceRequest } from './contract.ts'

/**
 * Who calls: as the host says, or else by the key that is shown, where the router has any. What the host throws with a
 * status of 401 or 403 is told as that; all else is its own fault.
 *
 * @throws SignalboxError
 */
export function identityOf(router: Router, request: FaceRequest): Identity | Promise<Identity> {
  const known = hostsIdentity(request)
  const orByKey = (identity: Identity | undefined) => identity ?? router.identify(shownKey(request))
  return isPromise(known) ? known.then(orByKey) : orByKey(known)
}

/** The key that a client shows: OpenAI's way, Anthropic's, Azure's or Google's. */
function shownKey(request: FaceRequest): string | undefined {
  const bearer = /^bearer +(\S+)$/i.exec(request.header('authorization') ?? '')?.[1]
  return bearer ?? request.header('x-api-key') ?? request.header('api-key') ?? request.header('x-goog-api-key')
}

/** Who calls as the host says; undefined where it does not. */
export function hostsIdentity(request: FaceRequest): Identity | undefined | Promise<Identity | undefined> {
  try {
    const identity = request.identify()
    return isPromise(identity) ? identity.catch(refused) : identity
  } catch (cause) {
    return refused(cause)
  }
}

function refused(cause: unknown): never {
  if (isSignalboxError(cause)) throw cause
  const { status } = Object(cause) as { status?: unknown }
  if (status === 401) throw new SignalboxError('unauthenticated', 'The caller is not known', { cause })
  if (status === 403) throw new SignalboxError('forbidden', 'The caller may not do this', { cause })
  throw new SignalboxError('internal_error', 'The caller could not be identified', { cause })
}
