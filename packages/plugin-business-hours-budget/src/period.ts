/** When business is open. */
export interface BusinessHours {
  /** The hour it opens, and the hour it closes. */
  readonly from: number
  readonly to: number
  /** Days of the week, Monday is 1. */
  readonly days: readonly number[]
  readonly timeZone: string
}

/** The day that a time falls on, and whether business is open then. */
export interface Period {
  readonly isInside: boolean
  /** `2026-11-21`, as the time zone has it. */
  readonly day: string
}

/** Whether there is such a time zone. */
export function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone }).format()
    return true
  } catch {
    return false
  }
}

/**
 * Makes what tells the period of a time, in milliseconds since the Unix epoch.
 *
 * @throws RangeError for a time zone that there is not
 */
export function periodOf({ from, to, days, timeZone }: BusinessHours): (timeMs: number) => Period {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
  })
  return (timeMs) => {
    const parts = Object.fromEntries(format.formatToParts(timeMs).map(({ type, value }) => [type, value]))
    const day = `${parts['year']}-${parts['month']}-${parts['day']}`
    const weekday = new Date(`${day}T12:00:00Z`).getUTCDay() || 7
    const hour = Number(parts['hour'])
    return { day, isInside: days.includes(weekday) && hour >= from && hour < to }
  }
}
