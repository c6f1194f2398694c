/** The period a budget holds for: by the calendar of its time zone, or the last so many milliseconds. */
export type BudgetWindow = 'minute' | 'hour' | 'day' | 'week' | 'month' | { readonly rollingMs: number }

/** The periods of a calendar, by the names that stand in keys. */
export interface CalendarWindow {
  /** The name of the period that a time falls into, such as `2026-11-21` for a day. */
  nameOf(timeMs: number): string
  /** How long a period lasts at the most, in milliseconds. */
  readonly longestMs: number
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** The longest that a period can last: a day in which the clock is put back has 25 hours, and 26 at Troll in Antarctica. */
const longest = {
  minute: minuteMs,
  hour: 2 * hourMs,
  day: 26 * hourMs,
  week: 7 * dayMs + 2 * hourMs,
  month: 31 * dayMs + 2 * hourMs,
}

/**
 * A calendar in a time zone. Weeks begin on Monday (ISO 8601).
 *
 * @throws RangeError for a time zone or a period that is not known
 */
export function calendarWindow(period: Exclude<BudgetWindow, object>, timeZone = 'UTC'): CalendarWindow {
  if (!Object.hasOwn(longest, period)) throw new RangeError(`There is no window ${JSON.stringify(period)}`)
  const format = formatIn(timeZone)
  let minute = NaN
  let name = ''
  return {
    longestMs: longest[period],
    nameOf(timeMs) {
      // Every boundary of a period falls on a whole minute.
      const now = Math.floor(timeMs / minuteMs)
      if (now !== minute) {
        minute = now
        name = nameIn(period, partsOf(format, timeMs))
      }
      return name
    },
  }
}

/** One for each time zone: it takes longer to make than a call, and a host may bring its callers' budgets anew with each. */
const formats = new Map<string, Intl.DateTimeFormat>()

function formatIn(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone)
  if (!format) formats.set(timeZone, (format = newFormat(timeZone)))
  return format
}

const newFormat = (timeZone: string) =>
  new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    weekday: 'short',
    timeZoneName: 'shortOffset',
  })

type Parts = Readonly<Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'weekday' | 'timeZoneName', string>>

function partsOf(format: Intl.DateTimeFormat, timeMs: number): Parts {
  return Object.fromEntries(format.formatToParts(timeMs).map(({ type, value }) => [type, value])) as Parts
}

/** Hours and minutes carry the offset: when the clock is put back, an hour comes twice. */
function nameIn(
  period: Exclude<BudgetWindow, object>,
  { year, month, day, hour, minute, weekday, timeZoneName }: Parts,
): string {
  switch (period) {
    case 'month':
      return `${year}-${month}`
    case 'week':
      return `week of ${monday(`${year}-${month}-${day}`, weekday)}`
    case 'day':
      return `${year}-${month}-${day}`
    case 'hour':
      return `${year}-${month}-${day}T${hour} ${timeZoneName}`
    case 'minute':
      return `${year}-${month}-${day}T${hour}:${minute} ${timeZoneName}`
  }
}

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

function monday(date: string, weekday: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) - weekdays.indexOf(weekday) * dayMs).toISOString().slice(0, 10)
}
