import fs from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { type Clock, systemClock } from '../clock.ts'
import type { RouterOptions } from '../config/options.ts'
import { SignalboxError } from '../errors.ts'
import { rememberPlace } from '../sqlite/file-place.ts'
import { pricesOf } from '../money/priced-models.ts'
import { openDatabase, openDatabaseToRead } from './schema.ts'
import { createSqliteReader } from './sqlite-reader.ts'
import type { LedgerReader } from './types.ts'

/** A ledger that was opened to be read. */
export interface OpenedLedger extends LedgerReader {
  /** Lets go of the file. */
  end(): void
}

/**
 * Opens the ledger that a configuration names, beside the processes that write it or when there are none. Its reports
 * compare with the prices of the configuration.
 *
 * @throws SignalboxError `invalid_config` where no file is named, or there is none yet; whatever is read of it throws
 * `ledger_unavailable` once the file was moved, removed or replaced
 */
export function openLedger(
  config: RouterOptions,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): OpenedLedger {
  const { ledger: named } = config
  if (!named || named === 'memory')
    throw new SignalboxError('invalid_config', 'ledger: expected a SQLite file to read, got ' + (named || 'none'))
  if (!fs.existsSync(named)) throw new SignalboxError('invalid_config', `ledger: there is no ledger at ${named} yet`)
  // What was written last stands beside what a link points at.
  const file = fs.realpathSync(named)
  const database = [file, dirname(file)].every(mayWrite) ? openDatabase(file) : openDatabaseToRead(file)
  return {
    ...createSqliteReader(database, { clock, prices: pricesOf(config, clock), beforeReading: stillThere(database) }),
    end: () => database.close(),
  }
}

/** Throws once the file was moved, removed or replaced: what is written from then on does not come to it. */
function stillThere(database: DatabaseSync): () => void {
  const checkPlace = rememberPlace(database)
  return () => {
    try {
      checkPlace()
    } catch (cause) {
      throw new SignalboxError('ledger_unavailable', (cause as Error).message, { cause })
    }
  }
}

function mayWrite(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}
