import {
  type Attempt,
  type Plugin,
  type PluginServices,
  SignalboxError,
  budgetGuard,
  definePlugin,
} from '@signalbox/core'
import { z } from 'zod'
import { isTimeZone, periodOf } from './period.ts'

const usd = z.number().nonnegative().max(1e9)
const hour = z.int().min(0).max(24)
const options = z
  .strictObject({
    insideUsd: usd,
    outsideUsd: usd,
    from: hour.default(9),
    to: hour.default(17),
    days: z.array(z.int().min(1).max(7)).min(1).default([1, 2, 3, 4, 5]),
    timeZone: z.string().refine(isTimeZone, 'expected a time zone such as Europe/Berlin').default('UTC'),
    per: z.enum(['all', 'user', 'team']).default('all'),
  })
  .refine(({ from, to }) => from < to, { path: ['to'], error: 'expected an hour after that of from' })

/** The store forgets a day's counts when nobody has used them for so long. */
const forgetAfterMs = 2 * 86_400_000
/** What an attempt holds is given up this long after its call must have ended. */
const leaseGraceMs = 20_000

/**
 * Lets a day cost so much inside business hours, and so much outside of them: 20 USD while people work and 2 USD at night.
 * Every attempt holds the most that it can cost, and settles to what it did: no limit is ever exceeded, in any process that
 * shares the router's store.
 *
 * @example
 * createRouter({ models, plugins: [businessHoursBudget({ insideUsd: 20, outsideUsd: 2, timeZone: 'Europe/Berlin' })] })
 */
const businessHoursBudget = definePlugin({
  name: 'business-hours-budget',
  options,
  create({ insideUsd, outsideUsd, per, ...hours }): Omit<Plugin, 'name'> {
    const dayOf = periodOf(hours)
    let services: PluginServices
    let holds = 0

    const guard = budgetGuard('business-hours-budget', {
      async hold(attempt, boundNanoUsd) {
        if (boundNanoUsd === undefined) throw unknownPrice(attempt)
        const { isInside, day } = dayOf(services.clock.wallTime())
        const { call } = attempt
        const id = `business-hours-budget:${call.key}/${++holds}`
        const who = per === 'all' ? 'all' : JSON.stringify(call.identity[per] ?? null)
        const limitUsd = isInside ? insideUsd : outsideUsd
        const answer = await services.store.reserve({
          id,
          leaseMs: Math.max(0, attempt.deadline - services.clock.now()) + leaseGraceMs,
          entries: [
            {
              key: `business-hours-budget:${per}:${who}:${day}:${isInside ? 'inside' : 'outside'}`,
              limit: BigInt(Math.round(limitUsd * 1e9)),
              amount: BigInt(boundNanoUsd),
              forgetAfterMs,
            },
          ],
        })
        if (!answer.granted) throw spent(limitUsd, isInside)
        return id
      },
      async settle(id, costNanoUsd) {
        // What nobody knows stays held until its lease ends, and is then posted at the most that it can have cost.
        if (costNanoUsd !== undefined) await services.store.settle(id, [BigInt(costNanoUsd)])
      },
    })

    return {
      ...guard,
      setup(given) {
        services = given
        guard.setup!(given)
      },
    }
  },
})

export default businessHoursBudget

function spent(limitUsd: number, isInside: boolean): SignalboxError {
  const when = isInside ? 'inside' : 'outside'
  return new SignalboxError('budget_exceeded', `The budget of ${limitUsd} USD a day ${when} business hours is used up`)
}

function unknownPrice({ candidate }: Attempt): SignalboxError {
  const message = `The price of the model "${candidate.name}" is not known`
  return new SignalboxError('price_unknown', message, { model: candidate.name })
}
