import type { Clock } from './clock.ts'
import type { EventBus } from './events.ts'
import { SignalboxError } from './errors.ts'
import {
  type Account,
  type BudgetHold,
  type BudgetReading,
  type BudgetRefusal,
  type Budgets,
  type Spender,
} from './money/budget.ts'
import { usdOf } from './money/usd.ts'
import type { Store } from './store/store.ts'
import type { Call } from './types.ts'

/** Budgets as calls meet them: who spends, what is told, and what a refusal says. */
export interface Treasury {
  readonly budgets: Budgets
  accountsOf(call: Call, model: string): readonly Account[]
  /** Tells, once for each account and period, that a share of a budget is used. */
  alert(accounts: readonly Account[]): Promise<void>
  /** The error of a refusal. It is told as an event once for each account and period. */
  refusal(refusal: BudgetRefusal, model: string): SignalboxError
  /** The route that a budget near its end puts in the place of the one that was asked for. */
  degraded(call: Call): Promise<string | undefined>
}

/** Scopes whose refusal leaves other models free to answer. */
const movesOn: ReadonlySet<string> = new Set(['model', 'route'])

/** Joins budgets with calls. */
export function createTreasury(
  budgets: Budgets,
  { store, events, clock }: { store: Store; events: EventBus; clock: Clock },
): Treasury {
  const told = new Set<string>()

  const accountsOf = (call: Call, model: string) => budgets.accountsOf(spenderOf(call, model))

  function isNew(what: string): boolean {
    if (told.has(what)) return false
    if (told.size >= rememberedTellings) told.clear()
    told.add(what)
    return true
  }

  /** Whether this process is the one to tell: the store lets one through, whoever shares it. */
  async function first(what: string, forgetAfterMs: number | undefined): Promise<boolean> {
    if (!isNew(what)) return false
    const id = `told:${what}:${clock.wallTime()}:${Math.random()}`
    const answer = await store.reserve({
      id,
      leaseMs: 1_000,
      entries: [{ key: `told:${what}`, limit: 1, amount: 1, forgetAfterMs, whenDown: 'open' }],
    })
    if (answer.granted) await store.settle(id, [1])
    return answer.granted
  }

  return {
    budgets,
    accountsOf,

    async alert(accounts) {
      const watched = accounts.filter(({ settings }) => settings.alertAt !== undefined)
      if (watched.length === 0) return
      const readings = await budgets.read(watched)
      for (const [index, reading] of readings.entries()) {
        for (const share of sharesOf(reading)) {
          const { key, forgetAfterMs } = watched[index]!.entry
          if (usedShare(reading) >= share && (await first(`${key} ${share}`, forgetAfterMs)))
            events.emit('budget.alert', { share, ...viewOf(reading) })
        }
      }
    },

    refusal(refusal, model) {
      const { settings, bucket, period, remainingNanoUsd, limitNanoUsd } = refusal
      const what = `refused ${settings.per} ${bucket} ${period} ${limitNanoUsd}`
      if (events.heard('budget.refused') && isNew(what)) {
        events.emit('budget.refused', {
          per: settings.per,
          bucket,
          period,
          remainingUsd: usdOf(remainingNanoUsd),
          limitUsd: usdOf(limitNanoUsd),
        })
      }
      const message = `The budget of ${usdOf(limitNanoUsd)} USD per ${settings.per} and ${nameOf(settings.window)} leaves ${usdOf(remainingNanoUsd)} USD, which does not pay for this call`
      return new SignalboxError('budget_exceeded', message, {
        movesOn: movesOn.has(settings.per),
        ...(settings.per === 'model' && { model }),
      })
    },

    async degraded(call) {
      const accounts = budgets
        .accountsOf(spenderOf(call, ''))
        .filter(({ settings }) => settings.degrade && settings.per !== 'model')
      if (accounts.length === 0) return undefined
      const readings = await budgets.read(accounts)
      const used = readings.find(
        (reading) =>
          usedShare(reading) >= reading.settings.degrade!.at &&
          Object.hasOwn(reading.settings.degrade!.routes, call.route),
      )
      return used?.settings.degrade!.routes[call.route]
    },
  }
}

const rememberedTellings = 10_000

function spenderOf({ identity, route }: Call, model: string): Spender {
  const { key, user, team, tags } = identity
  return {
    route,
    model,
    tags,
    ...(key !== undefined && { key }),
    ...(user !== undefined && { user }),
    ...(team !== undefined && { team }),
  }
}

const sharesOf = ({ settings: { alertAt } }: BudgetReading): readonly number[] =>
  typeof alertAt === 'number' ? [alertAt] : (alertAt ?? [])

function usedShare({ settledNanoUsd, limitNanoUsd }: BudgetReading): number {
  return limitNanoUsd === 0n ? 1 : Number(settledNanoUsd) / Number(limitNanoUsd)
}

const nameOf = (window: BudgetReading['settings']['window']) =>
  typeof window === 'object' ? `${window.rollingMs} ms` : window

function viewOf({ settings, bucket, period, settledNanoUsd, heldNanoUsd, limitNanoUsd }: BudgetReading) {
  return {
    per: settings.per,
    bucket,
    period,
    settledUsd: usdOf(settledNanoUsd),
    heldUsd: usdOf(heldNanoUsd),
    limitUsd: usdOf(limitNanoUsd),
  }
}

/** Whether an answer of {@link Budgets.hold} is a refusal. */
export const isBudgetRefusal = (answer: BudgetHold | BudgetRefusal): answer is BudgetRefusal =>
  'remainingNanoUsd' in answer
