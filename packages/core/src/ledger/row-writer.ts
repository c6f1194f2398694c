import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { rememberPlace } from '../sqlite/file-place.ts'
import { createTurns, longestWaitMs } from '../sqlite/turns.ts'
import { attemptColumns, attemptOf, attemptValues, callColumns, callValues } from './rows.ts'
import { type LedgerAttempt, type LedgerCall, type LedgerRating, conflict, isSamePosting } from './types.ts'

/** A row of the ledger. */
export type Posted =
  | { readonly attempt: LedgerAttempt }
  | { readonly call: LedgerCall }
  | { readonly rating: LedgerRating }

/**
 * Makes what writes rows into a ledger's database: all of them, or none and it throws. A row that the database would
 * never take, for what stands in it, is told of and left out: the others are not to wait for it.
 */
export function createRowWriter(
  database: DatabaseSync,
  onError: (error: unknown) => void,
): (rows: readonly Posted[]) => void {
  // SQLite's own waiting would stop the thread again at every try.
  database.exec('pragma busy_timeout = 0')
  const whenFree = createTurns(longestWaitMs)
  const checkPlace = rememberPlace(database)
  const insertAttempt = database.prepare(
    `insert into attempts (${attemptColumns}) values (${marks(attemptColumns)}) on conflict do nothing`,
  )
  const insertCall = database.prepare(
    `insert into calls (${callColumns}) values (${marks(callColumns)}) on conflict do nothing`,
  )
  const insertRating = database.prepare('insert into ratings (call_key, time, score) values (?, ?, ?)')
  const findAttempt = database.prepare(`select ${attemptColumns} from attempts where call_key = ? and place = ?`)

  function insert(posted: Posted): void {
    try {
      if ('call' in posted) insertCall.run(...callValues(posted.call))
      else if ('rating' in posted) rate(posted.rating)
      else post(posted.attempt)
    } catch (error) {
      if (!isOfRow(error)) throw error
      const { callKey } = 'call' in posted ? posted.call : 'rating' in posted ? posted.rating : posted.attempt
      onError(new Error(`A row of the call ${callKey} cannot be written into the ledger`, { cause: error }))
    }
  }

  function rate({ callKey, time, score }: LedgerRating): void {
    insertRating.run(callKey, Math.round(time), score)
  }

  function post(attempt: LedgerAttempt): void {
    const { changes } = insertAttempt.run(...attemptValues(attempt))
    // What was found in a journal is an upper bound: what is in the ledger already is better.
    if (BigInt(changes) === 0n && attempt.outcome !== 'lost' && !isSame(findAttempt, attempt))
      onError(conflict(attempt))
  }

  return (rows) => {
    checkPlace()
    whenFree(() => database.exec('begin immediate'))
    try {
      for (const row of rows) insert(row)
      database.exec('commit')
    } catch (error) {
      if (database.isTransaction) database.exec('rollback')
      throw error
    }
  }
}

const marks = (columns: string) => columns.split(',').fill('?').join(', ')

function isSame(find: StatementSync, attempt: LedgerAttempt): boolean {
  const row = find.get(attempt.callKey, attempt.place)
  const before = row && attemptOf(row)
  return before !== undefined && isSamePosting(before, attempt)
}

/** SQLite's codes for values that it does not take: SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH. */
const codesOfValues: ReadonlySet<number> = new Set([18, 19, 20])

/** Whether it is a row's own fault that it cannot be written: what is not SQLite's error came of a value. */
function isOfRow(error: unknown): boolean {
  const { errcode } = error as { errcode?: number }
  return errcode === undefined || codesOfValues.has(errcode & 0xff)
}
