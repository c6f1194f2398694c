import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { Account, BudgetHold } from '../money/budget.ts'
import { type Price, affordableOutputTokens, boundNanoUsd } from '../money/price.ts'
import { usdOf } from '../money/usd.ts'
import { ledgerUnavailable } from '../ledger/unavailable.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { AttemptRecord, CallRecord } from '../record.ts'
import { after, caught } from '../store/after.ts'
import { leaseMsUntil } from '../store/lease-time.ts'
import type { MaybePromise } from '../store/store.ts'
import { isBudgetRefusal } from '../treasury.ts'
import type { Attempt, Call, Handler, HeldMoney, Reply } from '../types.ts'
import { costOfHeld, whenOver } from '../money/held-money.ts'
import { isUnbounded, limitOutput } from '../tokens/limit-output.ts'
import { tokenBoundsOf } from '../tokens/attempt-bounds.ts'
import { askedOutputOf, choicesOf } from '../tokens/output-bound.ts'

/**
 * Holds an upper bound of an attempt's cost on every budget that applies, before anything is sent, and settles it to the
 * real cost when it is known. Where the caller sets no limit on the output, the hold does.
 */
export function budget(services: BuiltInServices): Plugin {
  const { prices, treasury, clock, events, capOutput, rejectsUnknownPrices } = services
  const tallies = new WeakMap<CallRecord, Tally>()
  let holds = 0

  return definePlugin({
    name: 'budget',
    attempt: {
      run(attempt, next) {
        if (!counts(attempt.call) && !rejectsUnknownPrices) return next(attempt)
        return priced(attempt, next)
      },
    },
  })

  /** Whether it matters what a call costs. */
  function counts({ identity, maxCostNanoUsd }: Call): boolean {
    return treasury.budgets.any || (identity.budgets?.length ?? 0) > 0 || maxCostNanoUsd !== undefined
  }

  function priced(attempt: Attempt, next: Handler<Attempt>): Promise<Reply> {
    const { call, candidate } = attempt
    const price = prices.priceOf(candidate.name, clock.wallTime(), call.surface)
    if (!price)
      throw new SignalboxError('price_unknown', `The price of the model "${candidate.name}" is not known`, {
        model: candidate.name,
      })
    if (!counts(call)) return next(attempt)

    const bound = boundOf(attempt, capOutput, price)
    const { outputTokens: wanted } = bound
    const bounds = boundsOf(call)
    const left = leftOf(bounds)
    if (bound.nanoUsd > left && !shrink(bound, left)) throw tooDear(bound.nanoUsd, left, candidate.name)

    const accounts = treasury.accountsOf(call, candidate.name)
    // Before anything is waited for: another attempt of the call may begin meanwhile.
    const mayGoUnwritten = accounts.every(({ entry }) => entry.whenDown !== 'closed')
    const held: Writable<HeldMoney> = { nanoUsd: bound.nanoUsd, mayGoUnwritten }
    for (const { tally } of bounds) tally.underWay.add(held)
    const hold =
      bounds.length > 0 ? caught(() => take(attempt, accounts, bound), letGo) : take(attempt, accounts, bound)
    return after(hold, (taken) => {
      held.nanoUsd = bound.nanoUsd
      const settle = () =>
        whenOver(held, () => {
          endOf(held, call, bounds)
          return settled(taken, held, accounts)
        })
      const capped = bound.caps && { call: limitOutput(call, candidate, bound.outputTokens / bound.choices) }
      const onSend = (entry: AttemptRecord) => {
        ;(held.entries ??= []).push(entry)
        attempt.onSend?.(entry)
      }
      return next({ ...attempt, held, onSend, ...capped }).then(
        (reply) => {
          if (bound.outputTokens < wanted)
            for (const entry of held.entries ?? []) entry.outputCap = bound.outputTokens / bound.choices
          void reply.ended.then(settle)
          return reply
        },
        async (error: unknown) => {
          await settle()
          throw error
        },
      )
    })

    function letGo(error: unknown): never {
      endOf(held, call, bounds)
      throw error
    }
  }

  /** Posts what an attempt has cost. A store that fails then is told of, and fails no call. */
  function settled(hold: BudgetHold, held: HeldMoney, accounts: readonly Account[]): MaybePromise<void> {
    const isBilled = held.entries?.some(({ usage }) => usage !== undefined)
    const post = () => (isBilled ? hold.settle(costOfHeld(held) ?? 0) : hold.release())
    return caught(
      () => after(post(), () => treasury.alert(accounts)),
      (error) => events.emit('ledger.failed', { error }),
    )
  }

  /** The bounds that a call has of its own, and those of the calls that it is made on behalf of. */
  function boundsOf(call: Call): readonly CallBound[] {
    if (call.maxCostNanoUsd === undefined && !call.madeFor) return noBounds
    const bounds: CallBound[] = []
    for (let one: Call | undefined = call; one; one = one.madeFor) {
      const { record, maxCostNanoUsd } = one
      if (maxCostNanoUsd === undefined) continue
      const tally = tallies.get(record) ?? { underWay: new Set(), byOthersNanoUsd: 0 }
      tallies.set(record, tally)
      bounds.push({ record, maxCostNanoUsd, tally })
    }
    return bounds
  }

  function askStore(...of: Parameters<typeof treasury.budgets.hold>) {
    return caught(
      () => treasury.budgets.hold(...of),
      (error) => {
        throw isSignalboxError(error) && error.code === 'store_unavailable' ? ledgerUnavailable(error) : error
      },
    )
  }

  function take(attempt: Attempt, accounts: readonly Account[], bound: Bound, tries = 1): MaybePromise<BudgetHold> {
    const leaseMs = leaseMsUntil(attempt.deadline, clock.now())
    return after(askStore(`budget:${attempt.call.key}/${++holds}`, accounts, bound.nanoUsd, leaseMs), (answer) => {
      if (!isBudgetRefusal(answer)) return answer
      if (tries >= accounts.length + maximumShrinks || !shrink(bound, Number(answer.remainingNanoUsd)))
        throw treasury.refusal(answer, attempt.candidate.name)
      return take(attempt, accounts, bound, tries + 1)
    })
  }
}

/** How often a hold is tried anew with less besides once for each account, when others take what was left in the meantime. */
const maximumShrinks = 3
/** Less than this is no answer. */
const leastOutputTokens = 16

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

interface Bound {
  readonly inputTokens: number
  outputTokens: number
  /** What that costs at the most, at this price. */
  nanoUsd: number
  readonly price: Price
  readonly choices: number
  /** Whether the request has to be told how much it may write. */
  caps: boolean
  /** Whether it may be told to write less. */
  readonly mayShrink: boolean
}

function boundOf(attempt: Attempt, capOutput: boolean, price: Price): Bound {
  const { call } = attempt
  const asked = askedOutputOf(call.request)
  const mayShrink = capOutput && asked === undefined && call.surface === 'chat'
  const bounds = tokenBoundsOf(attempt)
  const { inputTokens, outputTokens } = bounds
  return {
    inputTokens,
    outputTokens,
    nanoUsd: boundNanoUsd(bounds, price),
    price,
    choices: choicesOf(call),
    caps: capOutput && isUnbounded(attempt),
    mayShrink,
  }
}

/** Lowers the output to what an amount pays for. False where that is not allowed, or leaves no answer. */
function shrink(bound: Bound, nanoUsd: number): boolean {
  if (!bound.mayShrink) return false
  const perChoice = Math.floor(affordableOutputTokens(nanoUsd, bound.inputTokens, bound.price) / bound.choices)
  if (perChoice < leastOutputTokens) return false
  bound.outputTokens = Math.min(bound.outputTokens, perChoice * bound.choices)
  bound.nanoUsd = boundNanoUsd(bound, bound.price)
  bound.caps = true
  return true
}

/** What counts against the bound of a call besides the attempts in its record. */
interface Tally {
  /** What is held for attempts under way: its own, and those of calls made on its behalf. */
  readonly underWay: Set<HeldMoney>
  /** What calls made on its behalf have cost. */
  byOthersNanoUsd: number
}

interface CallBound {
  readonly record: CallRecord
  readonly maxCostNanoUsd: number
  readonly tally: Tally
}

const noBounds: readonly CallBound[] = []

const leftOf = (bounds: readonly CallBound[]) =>
  bounds.reduce((least, bound) => Math.min(least, bound.maxCostNanoUsd - spentBy(bound)), Infinity)

/** What a call has cost so far, and may still cost where attempts are under way. */
function spentBy({ record, tally }: CallBound): number {
  const open = [...tally.underWay]
  const ended = record.attempts.filter((entry) => !open.some(({ entries }) => entries?.at(-1) === entry))
  return [...ended.map(({ costNanoUsd = 0 }) => costNanoUsd), ...open.map(({ nanoUsd }) => nanoUsd)].reduce(
    (sum, cost) => sum + cost,
    tally.byOthersNanoUsd,
  )
}

/** An attempt of a call has ended. */
function endOf(held: HeldMoney, call: Call, bounds: readonly CallBound[]): void {
  for (const { record, tally } of bounds) {
    if (tally.underWay.delete(held) && record !== call.record) tally.byOthersNanoUsd += costOfHeld(held) ?? 0
  }
}

function tooDear(nanoUsd: number, left: number, model: string): SignalboxError {
  const message = `The call may cost up to ${usdOf(nanoUsd)} USD, and ${usdOf(Math.max(0, left))} USD is the most it may`
  return new SignalboxError('max_cost_exceeded', message, { model })
}
