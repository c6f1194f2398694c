import fs from 'node:fs'
import { dirname } from 'node:path'
import { SignalboxError } from '../errors.ts'

/** The fault of a configuration whose file cannot be opened, or is none for that. */
export function unusableFile(
  what: 'cache' | 'ledger',
  file: string,
  cause: unknown,
  use: 'kept in' | 'read from' = 'kept in',
): SignalboxError {
  return new SignalboxError('invalid_config', `the ${what} cannot be ${use} ${file}: ${whyUnusable(file, cause)}`, {
    cause,
  })
}

/** Why a SQLite file cannot be opened. SQLite itself tells a folder that is not there from nothing else. */
export function whyUnusable(file: string, cause: unknown): string {
  const why = cause instanceof Error ? cause.message : String(cause)
  if (why !== 'unable to open database file') return why
  const folder = dirname(file)
  try {
    if (fs.statSync(file, { throwIfNoEntry: false })?.isDirectory()) return 'it is a folder'
    if (!fs.statSync(folder).isDirectory()) return `there is no folder ${folder}`
    fs.accessSync(folder, fs.constants.W_OK)
    return why
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR'
      ? `there is no folder ${folder}`
      : `nothing may be written in ${folder}`
  }
}
