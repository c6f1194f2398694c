import * as fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { calendarWindow } from './window.ts'

const at = (text: string) => Date.parse(text)
const periods = ['minute', 'hour', 'day', 'week', 'month'] as const
const berlin = 'Europe/Berlin'

describe('a calendar window', () => {
  it('names its period', () => {
    const time = at('2026-11-21T23:45:59.999Z')
    expect(periods.map((period) => calendarWindow(period).nameOf(time))).toEqual([
      '2026-11-21T23:45 GMT+0',
      '2026-11-21T23 GMT+0',
      '2026-11-21',
      'week of 2026-11-16',
      '2026-11',
    ])
  })

  it('goes by the clock of its time zone', () => {
    const time = at('2026-11-30T23:30:00Z')
    expect(calendarWindow('month').nameOf(time)).toBe('2026-11')
    expect(calendarWindow('month', berlin).nameOf(time)).toBe('2026-12')
    expect(calendarWindow('day', 'Asia/Kolkata').nameOf(at('2026-03-01T18:30:00Z'))).toBe('2026-03-02')
    expect(() => calendarWindow('day', 'Mars/Olympus')).toThrow(RangeError)
  })

  it('begins weeks on Monday, and months on the first', () => {
    const week = calendarWindow('week')
    expect(week.nameOf(at('2026-01-04T23:59:59Z'))).toBe('week of 2025-12-29')
    expect(week.nameOf(at('2026-01-05T00:00:00Z'))).toBe('week of 2026-01-05')
    const month = calendarWindow('month')
    expect(['2028-02-29T23:59:59.999Z', '2028-03-01T00:00:00Z'].map((text) => month.nameOf(at(text)))).toEqual([
      '2028-02',
      '2028-03',
    ])
  })

  it('keeps the two hours apart that a clock put back shows twice', () => {
    const hour = calendarWindow('hour', berlin)
    const minute = calendarWindow('minute', berlin)
    const [first, second] = [at('2026-10-25T00:30:00Z'), at('2026-10-25T01:30:00Z')]
    expect(hour.nameOf(first)).not.toBe(hour.nameOf(second))
    expect(minute.nameOf(first)).not.toBe(minute.nameOf(second))
    const day = calendarWindow('day', berlin)
    expect(day.nameOf(at('2026-10-24T22:00:00Z'))).toBe(day.nameOf(at('2026-10-25T22:59:59Z')))
    expect(day.nameOf(at('2026-10-25T23:00:00Z'))).toBe('2026-10-26')
  })

  it('leaves out the hour that a clock put forward does', () => {
    const hour = calendarWindow('hour', berlin)
    expect(hour.nameOf(at('2026-03-29T00:59:59Z'))).toContain('T01')
    expect(hour.nameOf(at('2026-03-29T01:00:00Z'))).toContain('T03')
    expect(calendarWindow('day', berlin).nameOf(at('2026-03-29T21:59:59Z'))).toBe('2026-03-29')
    expect(calendarWindow('day', berlin).nameOf(at('2026-03-29T22:00:00Z'))).toBe('2026-03-30')
  })

  it.each([
    ['UTC', 'minute', '2026-10-25T00:00:00Z', 1],
    [berlin, 'hour', '2026-10-25T00:00:00Z', 60],
    [berlin, 'day', '2026-10-24T22:00:00Z', 25 * 60],
    [berlin, 'week', '2026-10-18T22:00:00Z', 7 * 24 * 60 + 60],
    [berlin, 'month', '2026-09-30T22:00:00Z', 31 * 24 * 60 + 60],
    ['Antarctica/Troll', 'day', '2026-10-24T22:00:00Z', 26 * 60],
    ['Antarctica/Troll', 'week', '2026-10-18T22:00:00Z', 7 * 24 * 60 + 120],
    ['Antarctica/Troll', 'month', '2026-09-30T22:00:00Z', 31 * 24 * 60 + 120],
  ] as const)(
    'in %s lasts as long as the longest %s, in which the clock is put back',
    (timeZone, period, from, minutes) => {
      const { nameOf, longestMs } = calendarWindow(period, timeZone)
      expect(nameOf(at(from))).not.toBe(nameOf(at(from) - 1))
      expect(nameOf(at(from) + minutes * 60_000 - 1)).toBe(nameOf(at(from)))
      expect(longestMs).toBeGreaterThanOrEqual(minutes * 60_000)
    },
  )

  it('looks a time zone up once, however many windows there are in it', () => {
    const looked = vi.spyOn(Intl, 'DateTimeFormat')
    onTestFinished(() => looked.mockRestore())
    for (const period of periods) calendarWindow(period, 'Asia/Tokyo')
    // Another test of the process may have been in it.
    expect(looked.mock.calls.length).toBeLessThanOrEqual(1)
  })

  it('never gives a name twice, nor lasts longer than it says', () => {
    const time = fc.integer({ min: at('2024-01-01T00:00:00Z'), max: at('2030-01-01T00:00:00Z') })
    const zone = fc.constantFrom('UTC', berlin, 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu')
    fc.assert(
      fc.property(fc.constantFrom(...periods), zone, time, (period, timeZone, timeMs) => {
        const { nameOf, longestMs } = calendarWindow(period, timeZone)
        expect(nameOf(timeMs + longestMs)).not.toBe(nameOf(timeMs))
      }),
      { numRuns: 60 },
    )
  })
})
