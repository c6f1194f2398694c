import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import type { Clock } from '../clock.ts'
import { configError } from '../config/fault.ts'
import { storedKey, storedKeys } from '../config/schema/keys.ts'
import { schemaFaults } from '../config/validate.ts'
import { SignalboxError } from '../errors.ts'
import type { KeyScope, StoredKey } from './settings.ts'

/** How long a change of the file may stay unnoticed, in milliseconds. */
const noticeMs = 1_000
/** What keys begin with, so that people and scanners know them. */
const keyPrefix = 'sb-'
const keyBytes = 32
const onlyTheOwner = 0o600
/** How long another command that changes the file is waited for, and how long between two looks. */
const longestWaitMs = 2_000
const retryMs = 20

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
    const { code, message } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? '; "signalbox keys create" makes it' : `: ${message}`
    throw new SignalboxError('invalid_config', `The file of keys ${file} cannot be read${why}`, { cause })
  }
  const content = parsed(text)
  if (!Array.isArray(content?.keys))
    throw new SignalboxError('invalid_config', `${file} is no file of keys as "signalbox keys" writes them`)
  // What a misspelt budget says would not be kept to, and one that makes no sense would fail every call.
  const faults = schemaFaults(storedKeys, content)
  if (faults.length > 0) throw configError(faults, `The file of keys ${file}`)
  return content.keys as readonly StoredKey[]
}

function parsed(text: string): { readonly keys?: unknown } | null | undefined {
  try {
    return JSON.parse(text) as { keys?: unknown } | null
  } catch {
    return undefined
  }
}

/**
 * Makes a key, adds it to a file (which need not be there yet), and gives it: this is the only time that it is seen.
 *
 * @throws SignalboxError `invalid_config` for a key that makes no sense, and for a file that is no file of keys, or cannot be
 * written
 */
export function createKey(file: string, scope: KeyScope): { readonly key: string; readonly stored: StoredKey } {
  const key = keyPrefix + randomBytes(keyBytes).toString('base64url')
  const sha256 = createHash('sha256').update(key).digest('hex')
  const stored = { id: sha256.slice(0, 8), ...scope, sha256, createdAt: new Date().toISOString() }
  const faults = schemaFaults(storedKey, stored)
  if (faults.length > 0) throw configError(faults, `The key ${JSON.stringify(scope.name)}`)
  changeKeys(file, (keys) => [...keys, stored])
  return { key, stored }
}

/**
 * Takes keys by their name or id out of a file, and gives those that were there.
 *
 * @throws SignalboxError `invalid_config` for a file that is no file of keys, or cannot be written
 */
export function revokeKeys(file: string, which: string): readonly StoredKey[] {
  const isMeant = ({ name, id }: StoredKey) => name === which || id === which
  let revoked = readKeys(file).filter(isMeant)
  if (revoked.length > 0)
    changeKeys(file, (keys) => {
      revoked = keys.filter(isMeant)
      return keys.filter((key) => !isMeant(key))
    })
  return revoked
}

/** At once and whole, so that no reader finds half of it; one after the other, so that no change undoes another. */
function changeKeys(file: string, change: (keys: readonly StoredKey[]) => readonly StoredKey[]): void {
  try {
    // What a link points at is written, and the link stays one.
    const target = fs.existsSync(file) ? fs.realpathSync(file) : file
    const draft = `${target}.tmp`
    const descriptor = openAlone(draft)
    try {
      const there = fs.existsSync(target)
      fs.writeFileSync(
        descriptor,
        `${JSON.stringify({ version: 1, keys: change(there ? readKeys(file) : []) }, null, 2)}\n`,
      )
      if (there) keepReaders(descriptor, fs.statSync(target))
      fs.renameSync(draft, target)
    } catch (error) {
      fs.rmSync(draft, { force: true })
      throw error
    } finally {
      fs.closeSync(descriptor)
    }
  } catch (cause) {
    if (cause instanceof SignalboxError) throw cause
    const why = (cause as Error).message
    throw new SignalboxError('invalid_config', `The file of keys ${file} cannot be written: ${why}`, { cause })
  }
}

/** Opens a file that nobody else has: while it is there, others wait. */
function openAlone(draft: string): number {
  for (let waitedMs = 0; ; waitedMs += retryMs) {
    try {
      return fs.openSync(draft, 'wx', onlyTheOwner)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
      if (waitedMs >= longestWaitMs)
        throw new Error(`another command is at work on it; if there is none, remove ${draft}`, { cause })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs)
    }
  }
}

/** A router that runs as another user than this command goes on reading the file. */
function keepReaders(descriptor: number, { mode, uid, gid }: fs.Stats): void {
  const own = fs.fstatSync(descriptor)
  if (own.uid !== uid || own.gid !== gid) fs.fchownSync(descriptor, uid, gid)
  fs.fchmodSync(descriptor, mode)
}

/** Who watches a file of keys. */
interface KeyFileWatcher<T> {
  readonly clock: Clock
  prepare(keys: readonly StoredKey[]): T
  /** Hears once of each change that cannot be read. */
  onUnreadable(file: string): void
}

/** Gives what a file of keys holds now, made ready once for each change. One that cannot be read leaves all as it was. */
export function watchKeyFile<T>(file: string, { clock, prepare, onUnreadable }: KeyFileWatcher<T>): () => T {
  let version = versionOf(file)
  let ready = prepare(readKeys(file))
  let checkedMs = clock.now()
  let seen = version
  return () => {
    if (clock.now() - checkedMs < noticeMs) return ready
    checkedMs = clock.now()
    const now = versionOf(file)
    const isNews = now !== seen
    seen = now
    if (now === version) return ready
    try {
      ready = prepare(readKeys(file))
      version = now
    } catch {
      // It is read again a second later.
      if (isNews) onUnreadable(file)
    }
    return ready
  }
}

/** What tells a file from what it was before. */
function versionOf(file: string): string {
  try {
    const { ino, mtimeNs, size } = fs.statSync(file, { bigint: true })
    return `${ino} ${mtimeNs} ${size}`
  } catch {
    return 'none'
  }
}
