import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { SignalboxError } from '../errors.ts'
import type { Identity } from '../types.ts'
import { watchKeyFile } from './key-file.ts'
import type { KeyScope, KeySource, StoredKey } from './settings.ts'

/** The keys that callers may show. */
export interface KeyRing {
  /**
   * Who shows a key.
   *
   * @throws SignalboxError `invalid_api_key`
   */
  identify(key: string | undefined): Identity
}

/** What a key ring needs. */
interface KeyRingServices {
  readonly clock: Clock
  /** Hears of a file that was changed into one that cannot be read: its keys stay what they were. */
  readonly onUnreadable: (file: string) => void
}

interface Known {
  readonly digest: Buffer
  readonly scope: KeyScope
}

/** What a key is stored and compared by. */
const digestOf = (key: string) => createHash('sha256').update(key).digest()

/**
 * Makes a key ring. Keys are kept as digests only. They are looked up under a secret of this process, so that the time it
 * takes tells nothing of any key.
 */
export function createKeyRing(sources: readonly KeySource[], { clock, onUnreadable }: KeyRingServices): KeyRing {
  const secret = randomBytes(32)
  const placeOf = (digest: Buffer) => createHmac('sha256', secret).update(digest).digest('base64')
  const fixed = new Map<string, Known>()
  for (const source of sources) {
    if ('file' in source) continue
    const { scope, digest } = knownOf(source)
    fixed.set(placeOf(digest), { scope, digest })
  }
  const watcher = { clock, onUnreadable, prepare: (keys: readonly StoredKey[]) => placed(keys, placeOf) }
  const files = sources.flatMap((source) => ('file' in source ? [watchKeyFile(source.file, watcher)] : []))

  function find(key: string): KeyScope | undefined {
    const digest = digestOf(key)
    const place = placeOf(digest)
    const known = [fixed, ...files.map((read) => read())].map((keys) => keys.get(place)).find(Boolean)
    return known && timingSafeEqual(known.digest, digest) ? known.scope : undefined
  }

  return {
    identify(key) {
      const scope = key === undefined || key === '' ? undefined : find(key)
      if (!scope) throw invalidKey(key ? 'The API key is not valid' : 'An API key is needed')
      // What cannot be read as a time has expired.
      if (scope.expiresAt !== undefined && !(Date.parse(scope.expiresAt) > clock.wallTime()))
        throw invalidKey('The API key has expired')
      const { name, expiresAt: _expiresAt, ...rest } = scope
      return { ...rest, key: name }
    },
  }
}

function knownOf(settings: Exclude<KeySource, { file: string }>): Known {
  if ('sha256' in settings) {
    const { sha256, ...scope } = settings
    return { scope, digest: Buffer.from(sha256, 'hex') }
  }
  const { key, ...scope } = settings
  return { scope, digest: digestOf(key) }
}

function placed(keys: readonly StoredKey[], placeOf: (digest: Buffer) => string): ReadonlyMap<string, Known> {
  return new Map(
    keys.map(({ id: _id, createdAt: _createdAt, sha256, ...scope }) => {
      const digest = Buffer.from(sha256, 'hex')
      return [placeOf(digest), { scope, digest }]
    }),
  )
}

const invalidKey = (message: string) => new SignalboxError('invalid_api_key', message)
