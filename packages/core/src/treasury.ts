import type { Clock } from './clock.ts'
import type { EventBus } from './events.ts'
import { type SignalboxError, errorWithoutStack } from './errors.ts'
import {
  type Account,
  type BudgetAccount,
  type BudgetHold,
  type BudgetReading,
  type BudgetRefusal,
  type BudgetScope,
  type Budgets,
  type Spender,
  shareOf,
} from './money/budget.ts'
import { usdOf } from './money/usd.ts'
import { after } from './store/after.ts'
import type { MaybePromise, Store } from './store/store.ts'
import type { Call, Identity } from './types.ts'

/** How one budget stands for one spender. Amounts are exact decimals of US dollars. */
export interface BudgetStatus {
  readonly per: BudgetScope
  /** The name in its scope; `anonymous` for all who do not say theirs. */
  readonly bucket: string
  /** The name of the period, for a calendar's; empty for a rolling window. */
  readonly period: string
  readonly limitUsd: string
  readonly settledUsd: string
  /** Held for calls under way. */
  readonly heldUsd: string
  /** What the next call may cost: 0 where nothing is left. */
  readonly remainingUsd: string
  /** Settled, as a share of the limit: over 1 where more was billed than held, or the budget is soft. */
  readonly usedShare: number
}

/** Whose budgets are asked for: a caller's, and those of a route or a model where one is named. */
export interface BudgetQuery {
  readonly identity?: Identity
  readonly route?: string
  readonly model?: string
}

/** Budgets as calls meet them: who spends, what is told, and what a refusal says. */
export interface Treasury {
  readonly budgets: Budgets
  accountsOf(call: Call, model: string): readonly Account[]
  /** How the budgets stand that a caller spends from. Those of routes and models only where one is named. */
  read(query: BudgetQuery): Promise<readonly BudgetStatus[]>
  /** Tells, once for each account and period (or rolling window), that a share of a budget is used. */
  alert(accounts: readonly Account[]): MaybePromise<void>
  /** The error of a refusal. It is told as an event once for each account and period (or rolling window). */
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
  /** What was told, and until when it is not told again. */
  const told = new Map<string, number>()

  const accountsOf = (call: Call, model: string) => budgets.accountsOf(spenderOf(call, model))

  /**
   * Whether this process is the one to tell: the store lets one through, whoever shares it. What is told goes by the limit
   * too: another limit is told of anew.
   */
  async function isFirst(about: string, { key, limit, windowMs, forgetAfterMs }: Account['entry']): Promise<boolean> {
    const what = `told:${key} ${limit} ${about}`
    const now = clock.now()
    if ((told.get(what) ?? -Infinity) > now) return false
    if (told.size >= rememberedTellings) told.clear()
    told.set(what, Infinity)
    let againMs: number | undefined = 0
    try {
      const id = `${what}:${clock.wallTime()}:${Math.random()}`
      const answer = await store.reserve({
        id,
        leaseMs: 1_000,
        entries: [{ key: what, limit: 1, amount: 1, windowMs, forgetAfterMs, whenDown: 'open' }],
      })
      if (answer.granted) await store.settle(id, [1])
      // A rolling budget has no periods: what is told of it is told again a window later, if it still holds.
      againMs = answer.granted ? windowMs : answer.resetMs
      return answer.granted
    } finally {
      told.set(what, now + (againMs ?? Infinity))
    }
  }

  async function tell(accounts: readonly Account[]): Promise<void> {
    const readings = await budgets.read(accounts)
    for (const [index, reading] of readings.entries()) {
      for (const share of sharesOf(reading)) {
        if (usedShare(reading) >= share && (await isFirst(String(share), accounts[index]!.entry)))
          events.emit('budget.alert', { share, ...viewOf(reading) })
      }
    }
  }

  function alert(accounts: readonly Account[]): MaybePromise<void> {
    const watched = accounts.filter(({ settings }) => settings.alertAt !== undefined)
    if (watched.length === 0 || !events.heard('budget.alert')) return undefined
    // Every call comes here, and nearly none has reached a share.
    return after(budgets.usedShares(watched), (used) => {
      const reached = watched.filter((account, index) => sharesOf(account).some((share) => used[index]! >= share))
      return reached.length === 0 ? undefined : tell(reached)
    })
  }

  async function tellRefusal(refusal: BudgetRefusal): Promise<void> {
    // Several processes may have reached a share together, each without knowing: from now on nobody may settle anything.
    await alert([refusal])
    const { settings, bucket, period, entry, ...left } = refusal
    if (!events.heard('budget.refused') || !(await isFirst('refused', entry))) return
    events.emit('budget.refused', {
      per: settings.per,
      bucket,
      period,
      remainingUsd: usdOf(left.remainingNanoUsd),
      limitUsd: usdOf(left.limitNanoUsd),
    })
  }

  return {
    budgets,
    accountsOf,

    async read({ identity = {}, route, model }) {
      const accounts = budgets
        .accountsOf(spenderOf({ identity, route: route ?? '' }, model ?? ''))
        .filter(
          ({ settings: { per } }) =>
            (per !== 'route' || route !== undefined) && (per !== 'model' || model !== undefined),
        )
      return (await budgets.read(accounts)).map(statusOf)
    },

    alert,

    refusal(refusal, model) {
      const { settings, remainingNanoUsd, limitNanoUsd } = refusal
      void tellRefusal(refusal).catch((error: unknown) => events.emit('ledger.failed', { error }))
      const message = `The budget of ${usdOf(limitNanoUsd)} USD per ${settings.per} and ${nameOf(settings.window)} leaves ${usdOf(remainingNanoUsd)} USD, which does not pay for this call`
      return errorWithoutStack('budget_exceeded', message, {
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

function spenderOf({ identity, route }: Pick<Call, 'identity' | 'route'>, model: string): Spender {
  const { key, user, team, tags, budgets: own } = identity
  return {
    route,
    model,
    tags,
    ...(own && { own }),
    ...(key !== undefined && { key }),
    ...(user !== undefined && { user }),
    ...(team !== undefined && { team }),
  }
}

const sharesOf = ({ settings: { alertAt } }: BudgetAccount): readonly number[] =>
  typeof alertAt === 'number' ? [alertAt] : (alertAt ?? [])

const usedShare = ({ settledNanoUsd, limitNanoUsd }: BudgetReading) => shareOf(settledNanoUsd, limitNanoUsd)

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

function statusOf(reading: BudgetReading): BudgetStatus {
  const { limitNanoUsd, settledNanoUsd, heldNanoUsd } = reading
  const remaining = limitNanoUsd - settledNanoUsd - heldNanoUsd
  return { ...viewOf(reading), remainingUsd: usdOf(remaining > 0n ? remaining : 0n), usedShare: usedShare(reading) }
}

/** Whether an answer of {@link Budgets.hold} is a refusal. */
export const isBudgetRefusal = (answer: BudgetHold | BudgetRefusal): answer is BudgetRefusal =>
  'remainingNanoUsd' in answer
