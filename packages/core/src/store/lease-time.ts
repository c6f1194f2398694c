/** A lease ends so long after its call must have: whoever ends it late is still in time. */
const graceMs = 20_000
/** Of a call without an end. */
const longestMs = 3_600_000

/** How long what is held for a call is leased, in milliseconds, from now until soon after its deadline. */
export function leaseMsUntil(deadline: number, now: number): number {
  return Math.min(Math.max(deadline - now, 0) + graceMs, longestMs)
}
