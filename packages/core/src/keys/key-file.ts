import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import type { Clock } from '../clock.ts'
import { SignalboxError } from '../errors.ts'
import type { KeyScope, StoredKey } from './settings.ts'

/** How long a change of the file may stay unnoticed, in milliseconds. */
const noticeMs = 1_000
/** What keys begin with, so that people and scanners know them. */
const keyPrefix = 'sb-'
const keyBytes = 32
const onlyTheOwner = 0o600

/**
 * Reads the keys in a file.
 *
 * @throws SignalboxError `invalid_config` for a file that is not there, or is no file of keys
 */
export function readKeys(file: string): readonly StoredKey[] {
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (cause) {
    throw new SignalboxError(
      'invalid_config',
      `The file of keys ${file} cannot be read; "signalbox keys create" makes it`,
      {
        cause,
      },
    )
  }
  const keys = parsed(text)
  if (keys) return keys
  throw new SignalboxError('invalid_config', `${file} is no file of keys as "signalbox keys" writes them`)
}

function parsed(text: string): readonly StoredKey[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys: readonly StoredKey[] }
    const whole = keys.every(({ name, id, sha256 }) => name && id && /^[\da-f]{64}$/.test(sha256))
    return whole ? keys : undefined
  } catch {
    return undefined
  }
}

/** Makes a key, adds it to a file (which need not be there yet), and gives it: this is the only time that it is seen. */
export function createKey(file: string, scope: KeyScope): { readonly key: string; readonly stored: StoredKey } {
  const key = keyPrefix + randomBytes(keyBytes).toString('base64url')
  const sha256 = createHash('sha256').update(key).digest('hex')
  const stored = { id: sha256.slice(0, 8), ...scope, sha256, createdAt: new Date().toISOString() }
  writeKeys(file, [...(fs.existsSync(file) ? readKeys(file) : []), stored])
  return { key, stored }
}

/** Takes keys by their name or id out of a file, and gives those that were there. */
export function revokeKeys(file: string, which: string): readonly StoredKey[] {
  const keys = readKeys(file)
  const revoked = keys.filter(({ name, id }) => name === which || id === which)
  if (revoked.length > 0)
    writeKeys(
      file,
      keys.filter((key) => !revoked.includes(key)),
    )
  return revoked
}

/** At once and whole, so that no reader finds half of it. */
function writeKeys(file: string, keys: readonly StoredKey[]): void {
  const draft = `${file}.${process.pid}.tmp`
  fs.writeFileSync(draft, `${JSON.stringify({ version: 1, keys }, null, 2)}\n`, { mode: onlyTheOwner })
  fs.renameSync(draft, file)
}

/** Gives what a file of keys holds now, made ready once for each change. One that cannot be read leaves all as it was. */
export function watchKeyFile<T>(file: string, clock: Clock, prepare: (keys: readonly StoredKey[]) => T): () => T {
  let version = versionOf(file)
  let ready = prepare(readKeys(file))
  let checkedMs = clock.now()
  return () => {
    if (clock.now() - checkedMs < noticeMs) return ready
    checkedMs = clock.now()
    const now = versionOf(file)
    if (now === version) return ready
    try {
      ready = prepare(readKeys(file))
      version = now
    } catch {
      // It is read again a second later.
    }
    return ready
  }
}

function versionOf(file: string): string {
  const { ino = 0n, mtimeNs = 0n, size = 0n } = fs.statSync(file, { bigint: true, throwIfNoEntry: false }) ?? {}
  return `${ino} ${mtimeNs} ${size}`
}
