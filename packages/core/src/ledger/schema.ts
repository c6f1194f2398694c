import { existsSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { openSqlite } from '../sqlite/open.ts'
import { createTurns } from '../sqlite/turns.ts'
import { unusableFile } from '../sqlite/unusable-file.ts'

/** How long another process may keep a ledger's file, in milliseconds. */
const busyTimeoutMs = 10_000

/** Marks a SQLite file as a Signalbox ledger: "SBLG". */
const applicationId = 0x53424c47

/** A ledger is added to and never changed. */
const appendOnly = (table: string, verb: string) =>
  `create trigger ${table}_no_${verb} before ${verb} on ${table} begin select raise(abort, 'the ledger is append-only'); end;`

/** One step for each version of the file, oldest first. A step that was released is never changed. */
const migrations: readonly string[] = [
  `create table calls (
     call_key text primary key, call_id text not null, parent text, time integer not null,
     key text, user text, team text, tags text not null,
     route text not null, model text, outcome text not null, duration_ms real not null,
     failovers integer not null, decision text not null
   ) strict, without rowid;
   create index calls_by_time on calls (time);
   create table attempts (
     call_key text not null, place integer not null, call_id text not null, time integer not null,
     key text, user text, team text, tags text not null,
     route text not null, model text not null, provider text not null,
     outcome text not null, status integer, latency_ms real not null, first_token_ms real,
     input integer not null, cached_input integer not null, cache_write integer not null,
     output integer not null, reasoning integer not null,
     cost_nano_usd integer, estimated integer not null, overrun integer not null,
     prices text, price_source text,
     primary key (call_key, place)
   ) strict, without rowid;
   create index attempts_by_time on attempts (time);
   ${['calls', 'attempts'].flatMap((table) => ['update', 'delete'].map((verb) => appendOnly(table, verb))).join('\n')}`,
  'alter table attempts add column usage_faults text',
  // The indexes by time hold all that reports read, so that those read nothing else.
  `alter table attempts add column fingerprint text;
   drop index attempts_by_time;
   create index attempts_by_time on attempts (
     time, call_key, place, model, route, user, key, team, tags, outcome, latency_ms,
     input, cached_input, cache_write, output, reasoning, cost_nano_usd, fingerprint
   );
   drop index calls_by_time;
   create index calls_by_time on calls (
     time, call_key, model, route, user, key, team, tags, outcome, duration_ms, failovers
   )`,
  `create table ratings (
     place integer primary key, call_key text not null, time integer not null, score real not null
   ) strict;
   create index ratings_by_call on ratings (call_key, place);
   create index calls_by_id on calls (call_id);
   ${['update', 'delete'].map((verb) => appendOnly('ratings', verb)).join('\n')}`,
  `alter table attempts add column long_cache_write integer;
   drop index attempts_by_time;
   create index attempts_by_time on attempts (
     time, call_key, place, model, route, user, key, team, tags, outcome, latency_ms,
     input, cached_input, cache_write, output, reasoning, long_cache_write, cost_nano_usd, fingerprint
   )`,
  // With its decision a call is too long for a table without rowid: it would take pages of its own.
  // https://sqlite.org/withoutrowid.html#when_to_use_without_rowid
  `create table calls_by_row (
     call_key text not null primary key, call_id text not null, parent text, time integer not null,
     key text, user text, team text, tags text not null,
     route text not null, model text, outcome text not null, duration_ms real not null,
     failovers integer not null, decision text not null
   ) strict;
   insert into calls_by_row
     select call_key, call_id, parent, time, key, user, team, tags, route, model, outcome, duration_ms, failovers, decision
     from calls order by time;
   drop table calls;
   alter table calls_by_row rename to calls;
   create index calls_by_time on calls (
     time, call_key, model, route, user, key, team, tags, outcome, duration_ms, failovers
   );
   create index calls_by_id on calls (call_id);
   ${['update', 'delete'].map((verb) => appendOnly('calls', verb)).join('\n')}`,
]

/** Of a new file. Two or three calls fit into a page, where they waste little of it. */
const pageBytes = 8_192

/**
 * Opens a ledger's file, and brings an older one up to date.
 *
 * @throws SignalboxError `invalid_config` for a file that is no ledger, or is newer than this version of Signalbox
 */
export function openDatabase(file: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = openSqlite(file, { readBigInts: true, timeout: busyTimeoutMs })
    prepare(database)
    return database
  } catch (cause) {
    database?.close()
    throw unusableFile('ledger', file, cause)
  }
}

/**
 * Opens a ledger's file for a user who may not write it, or not in its folder.
 *
 * @throws SignalboxError `invalid_config` for a file that is no ledger, cannot be read, or is of another version of Signalbox
 */
export function openDatabaseToRead(file: string): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = openSqlite(placeToRead(file), { readOnly: true, readBigInts: true, timeout: busyTimeoutMs })
    if (versionOf(database) < migrations.length)
      throw new Error('it was written by an older Signalbox: a user who may write it must read it once')
    return database
  } catch (cause) {
    database?.close()
    throw unusableFile('ledger', file, cause, 'read from')
  }
}

/** SQLite would make a file beside one that has none: nobody is writing it. */
function placeToRead(file: string): string | URL {
  if (existsSync(`${file}-wal`)) return file
  const place = pathToFileURL(file)
  place.searchParams.set('immutable', '1')
  return place
}

function prepare(database: DatabaseSync): void {
  const whenFree = createTurns(busyTimeoutMs)
  // A file of somebody else stays as it was.
  whenFree(() => versionOf(database))
  database.exec(`pragma page_size = ${pageBytes}`)
  whenFree(() => database.exec('pragma journal_mode = wal'))
  database.exec('pragma synchronous = normal')
  migrate(database)
}

function migrate(database: DatabaseSync): void {
  if (versionOf(database) === migrations.length) return
  database.exec('begin immediate')
  try {
    for (const step of migrations.slice(versionOf(database))) database.exec(step)
    database.exec(`pragma application_id = ${applicationId}; pragma user_version = ${migrations.length}; commit`)
  } catch (error) {
    database.exec('rollback')
    throw error
  }
}

function versionOf(database: DatabaseSync): number {
  const read = (name: string) => Number(Object.values(database.prepare(`pragma ${name}`).get() ?? { none: 0 })[0])
  const version = read('user_version')
  const tables = database.prepare("select count(*) as tables from sqlite_schema where type = 'table'").get()
  if (read('application_id') !== applicationId && Number(tables?.['tables']) > 0)
    throw new Error('it is a SQLite file, but no ledger of Signalbox')
  if (version > migrations.length)
    throw new Error(`it was written by a newer Signalbox (version ${version}, this one knows ${migrations.length})`)
  return version
}
