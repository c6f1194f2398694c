import type { AttemptRecord } from '../record.ts'
import type { HeldMoney } from '../types.ts'

const isUnderWay = ({ endedMs }: AttemptRecord) => endedMs === undefined

/** Writes an attempt that is about to be sent down in all that is held for it. */
export function tellBegun(held: HeldMoney | undefined, entry: AttemptRecord): void {
  for (let one = held; one; one = one.around) (one.entries ??= []).push(entry)
}

/** Runs once nothing is under way any more that was sent with the money: at once, or when the last has ended. */
export function whenOver(held: HeldMoney, run: () => unknown): unknown {
  if (!held.entries?.some(isUnderWay)) return run()
  ;(held.waiting ??= []).push(run)
  return undefined
}

/** Tells that one of those that were sent with the money has ended. */
export function tellEnded(held: HeldMoney | undefined): void {
  for (let one = held; one; one = one.around) runWaiting(one)
}

function runWaiting(held: HeldMoney): void {
  if (!held.waiting || held.entries?.some(isUnderWay)) return
  const { waiting } = held
  delete held.waiting
  for (const run of waiting) run()
}

/** What all that was sent with the money has cost: 0 where nothing was billed, undefined where nobody knows a price. */
export function costOfHeld({ entries = [] }: HeldMoney): number | undefined {
  const billed = entries.filter(({ usage }) => usage !== undefined)
  if (billed.some(({ costNanoUsd }) => costNanoUsd === undefined)) return undefined
  return billed.reduce((sum, { costNanoUsd = 0 }) => sum + costNanoUsd, 0)
}
