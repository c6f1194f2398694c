import { minus, plus } from '../amount.ts'
import { slide } from '../counter.ts'
import type { Desk } from './process.ts'
import { resetMsOf } from './standing.ts'
import type { Reading } from '../store.ts'

/**
 * What counts under a key, inside a transaction: what other processes lease counts as held in full, and what this one has
 * posted since it told the file counts beside the row.
 */
export function readKey({ counters, slices, shares }: Desk, { key, processId, now }: ReadOptions): Reading {
  const row = counters.find(key, now)
  if (row === undefined) return { posted: 0, held: 0, remaining: undefined, resetMs: undefined }
  const share = shares.get(key)
  if (share !== undefined) slide(share, now)
  const others = slices.others(row.id, processId)
  const held = plus(others.held, share?.held ?? 0)
  const posted = plus(row.posted, share?.posted ?? 0)
  const total = plus(posted, held)
  const known = { share, row, others, total }
  return {
    posted,
    held,
    remaining: minus(share?.limit ?? row.limit, total),
    resetMs: resetMsOf(known, { counters, now }),
  }
}

interface ReadOptions {
  key: string
  processId: bigint
  now: number
}
