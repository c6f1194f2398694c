import { type Plugin, createRouter, openaiCompatible } from '@signalbox/core'
import { createFakeClock, createSimulatedDispatcher } from '@signalbox/testkit'
import { pluginContract } from '@signalbox/testkit/plugin'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import businessHoursBudget from './index.ts'
import { periodOf } from './period.ts'

const limits = { insideUsd: 5, outsideUsd: 1 }
pluginContract(() => businessHoursBudget(limits))

const saturdayNight = Date.UTC(2026, 10, 21, 3)
const mondayMorning = Date.UTC(2026, 10, 23, 9)

/** A router whose calls hold 0.4 USD each, and cost as much unless it is said otherwise. */
function boxed(plugin: Plugin, wallTime: number, outputTokens = 400_000) {
  const clock = createFakeClock({ wallTime, turns: 1 })
  const usage = () => ({ inputTokens: 0, outputTokens })
  const dispatcher = createSimulatedDispatcher({ clock, usage })
  const model = openaiCompatible({ baseUrl: 'http://a.invalid/v1', dispatcher, price: { input: 0, output: 1 } })
  const router = createRouter({ models: { a: model }, clock, retry: false, plugins: [plugin] })
  const ask = async (user = 'ada') => {
    const body = { model: 'a', messages: [{ role: 'user', content: 'hi' }], max_tokens: 400_000 }
    const reply = router.handle({ body, identity: { user } })
    const outcome = reply.then(
      () => 'ok',
      (error: { code: string }) => error.code,
    )
    await clock.advance(60_000)
    return outcome
  }
  return { ask, clock, router }
}

it('lets a night cost less than a working day, and begins anew with each', async () => {
  const { ask, clock } = boxed(businessHoursBudget(limits), saturdayNight)
  const night = []
  for (let call = 0; call < 4; call++) night.push(await ask())
  expect(night).toEqual(['ok', 'ok', 'budget_exceeded', 'budget_exceeded'])
  await clock.advance(mondayMorning - clock.wallTime())
  const day = []
  for (let call = 0; call < 14; call++) day.push(await ask())
  expect(day.filter((outcome) => outcome === 'ok')).toHaveLength(12)
})

it('counts for each user alone, where it is told so', async () => {
  const { ask } = boxed(businessHoursBudget({ ...limits, per: 'user' }), saturdayNight)
  for (const user of ['ada', 'ada', 'bob', 'bob']) expect(await ask(user)).toBe('ok')
  expect(await ask('ada')).toBe('budget_exceeded')
})

it('counts what was spent, and not what might have been', async () => {
  const { ask } = boxed(businessHoursBudget(limits), saturdayNight, 100_000)
  const night = []
  for (let call = 0; call < 9; call++) night.push(await ask())
  expect(night.filter((outcome) => outcome === 'ok')).toHaveLength(7)
})

it('refuses at once what 100 calls at the same time could overspend', async () => {
  const { clock, router } = boxed(businessHoursBudget(limits), saturdayNight)
  const body = { model: 'a', messages: [{ role: 'user', content: 'hi' }], max_tokens: 400_000 }
  const outcomes = Array.from({ length: 100 }, () =>
    router.handle({ body }).then(
      () => 'ok',
      () => 'refused',
    ),
  )
  await clock.advance(60_000)
  expect((await Promise.all(outcomes)).filter((outcome) => outcome === 'ok')).toHaveLength(2)
})

it('refuses a price that nobody knows', async () => {
  const clock = createFakeClock({ wallTime: mondayMorning })
  const model = openaiCompatible({ baseUrl: 'http://a.invalid/v1', model: 'nobody-knows' })
  const router = createRouter({ models: { a: model }, clock, plugins: [businessHoursBudget(limits)] })
  await expect(router.handle({ body: { model: 'a', messages: [] } })).rejects.toMatchObject({ code: 'price_unknown' })
})

it.each([
  [{ from: 25 }, 'options.from: '],
  [{ from: 22, to: 6 }, 'options.to: expected an hour after that of from'],
  [{ from: 9, to: 9 }, 'options.to: expected an hour after that of from'],
  [{ days: [] }, 'options.days: '],
  [{ days: [0] }, 'options.days[0]: '],
  [{ timeZone: 'Moon/Sea' }, 'options.timeZone: expected a time zone such as Europe/Berlin, got "Moon/Sea"'],
  [{ insideUsd: 1e300 }, 'options.insideUsd: '],
  [{ outsideUsd: -1 }, 'options.outsideUsd: '],
])('refuses options that make no sense: %j', (wrong, fault) => {
  expect(() => businessHoursBudget({ ...limits, ...wrong })).toThrow(fault)
})

it.each([
  ['Europe/Berlin', '2026-03-29', 3],
  ['Europe/Berlin', '2026-10-25', 5],
  ['Europe/Berlin', '2026-06-07', 4],
  // Where the hour that is left out is midnight's, and where zones differ by half hours.
  ['America/Santiago', '2026-09-06', 3],
  ['Australia/Lord_Howe', '2026-10-04', 3.5],
  ['Asia/Kolkata', '2026-03-29', 4],
])('in %s the four first hours of Sunday %s take %d hours', (timeZone, sunday, hours) => {
  const period = periodOf({ from: 0, to: 4, days: [7], timeZone })
  const begin = Date.parse(`${sunday}T00:00Z`) - 86_400_000
  const halves = Array.from({ length: 6 * 24 }, (_, half) => period(begin + half * 1_800_000))
  expect(halves.filter(({ isInside, day }) => isInside && day === sunday)).toHaveLength(2 * hours)
  expect(halves.filter(({ isInside, day }) => isInside && day !== sunday)).toEqual([])
})

it('tells the hour and the day as they are in the time zone, also when clocks are changed', () => {
  const berlin = periodOf({ from: 9, to: 17, days: [1, 2, 3, 4, 5], timeZone: 'Europe/Berlin' })
  expect(berlin(Date.UTC(2026, 9, 23, 7))).toEqual({ day: '2026-10-23', isInside: true })
  expect(berlin(Date.UTC(2026, 9, 26, 7))).toEqual({ day: '2026-10-26', isInside: false })
  expect(berlin(Date.UTC(2026, 9, 26, 8))).toEqual({ day: '2026-10-26', isInside: true })
  expect(berlin(Date.UTC(2026, 9, 25, 23, 30))).toEqual({ day: '2026-10-26', isInside: false })
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }), (date) => {
      const { day, isInside } = periodOf({ from: 0, to: 24, days: [1, 2, 3, 4, 5, 6, 7], timeZone: 'UTC' })(
        date.getTime(),
      )
      expect([day, isInside]).toEqual([date.toISOString().slice(0, 10), true])
    }),
  )
})
