import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { BudgetHold } from '../money/budget.ts'
import { type Price, affordableOutputTokens, boundNanoUsd } from '../money/price.ts'
import { usdOf } from '../money/usd.ts'
import { ledgerUnavailable } from './ledger-unavailable.ts'
import type { BuiltInServices } from '../pipeline.ts'
import { type Plugin, definePlugin } from '../plugin.ts'
import type { CallRecord } from '../record.ts'
import { inputBoundOf } from '../tokens/request.ts'
import { isBudgetRefusal } from '../treasury.ts'
import type { Attempt, Call, Handler, HeldMoney, Reply } from '../types.ts'
import { limitOutput } from './limit-output.ts'
import { askedOutputOf, choicesOf, outputBoundOf } from './output-bound.ts'

/**
 * Holds an upper bound of an attempt's cost on every budget that applies, before anything is sent, and settles it to the
 * real cost when it is known. Where the caller sets no limit on the output, the hold does.
 */
export function budget(services: BuiltInServices): Plugin {
  const { prices, treasury, clock, events, capOutput, rejectsUnknownPrices } = services
  const holdsByCall = new WeakMap<CallRecord, Set<HeldMoney>>()
  let holds = 0

  return definePlugin({
    name: 'budget',
    attempt: {
      stage: 'budget',
      run: (attempt, next) => (counts(attempt.call) || rejectsUnknownPrices ? priced(attempt, next) : next(attempt)),
    },
  })

  /** Whether it matters what a call costs. */
  function counts({ identity, maxCostNanoUsd }: Call): boolean {
    return treasury.budgets.any || identity.budgets !== undefined || maxCostNanoUsd !== undefined
  }

  async function priced(attempt: Attempt, next: Handler<Attempt>): Promise<Reply> {
    const { call, candidate } = attempt
    const price = prices.priceOf(candidate.name, clock.wallTime())
    if (!price)
      throw new SignalboxError('price_unknown', `The price of the model "${candidate.name}" is not known`, {
        model: candidate.name,
      })
    if (!counts(call)) return next(attempt)

    const bound = boundOf(attempt, capOutput)
    const underWay = holdsOf(call)
    const left = call.maxCostNanoUsd === undefined ? Infinity : call.maxCostNanoUsd - spentBy(call, underWay)
    if (boundNanoUsd(bound, price) > left && !shrink(bound, left, price))
      throw tooDear(boundNanoUsd(bound, price), left, candidate.name)

    const accounts = treasury.accountsOf(call, candidate.name)
    // Before anything is waited for: another attempt of the call may begin meanwhile.
    const held: Writable<HeldMoney> = { nanoUsd: boundNanoUsd(bound, price) }
    underWay.add(held)
    const hold = await take(attempt, accounts, bound, price).catch((error: unknown) => {
      underWay.delete(held)
      throw error
    })
    held.nanoUsd = boundNanoUsd(bound, price)
    const settle = async () => {
      underWay.delete(held)
      const { entry } = held
      await (entry?.usage === undefined ? hold.release() : hold.settle(entry.costNanoUsd ?? 0))
      await treasury.alert(accounts)
    }
    const settleSafely = () => settle().catch((error: unknown) => events.emit('ledger.failed', { error }))
    try {
      const reply = await next({
        ...attempt,
        held,
        ...(bound.caps && { call: limitOutput(call, candidate, bound.outputTokens / bound.choices) }),
      })
      void reply.ended.then(settleSafely)
      return reply
    } catch (error) {
      await settleSafely()
      throw error
    }
  }

  function holdsOf({ record }: Call): Set<HeldMoney> {
    const known = holdsByCall.get(record) ?? new Set()
    holdsByCall.set(record, known)
    return known
  }

  async function askStore(...of: Parameters<typeof treasury.budgets.hold>) {
    try {
      return await treasury.budgets.hold(...of)
    } catch (error) {
      throw isSignalboxError(error) && error.code === 'store_unavailable' ? ledgerUnavailable(error) : error
    }
  }

  async function take(
    attempt: Attempt,
    accounts: ReturnType<typeof treasury.accountsOf>,
    bound: Bound,
    price: Price,
  ): Promise<BudgetHold> {
    const { call, candidate } = attempt
    const leaseMs = Math.min(Math.max(attempt.deadline - clock.now(), 0) + leaseGraceMs, longestLeaseMs)
    for (let tries = 1; ; tries++) {
      const id = `budget:${call.key}/${++holds}`
      const answer = await askStore(id, accounts, boundNanoUsd(bound, price), leaseMs)
      if (!isBudgetRefusal(answer)) return answer
      if (tries > maximumShrinks || !shrink(bound, Number(answer.remainingNanoUsd), price))
        throw treasury.refusal(answer, candidate.name)
    }
  }
}

/** A hold's lease ends soon after its attempt must have. */
const leaseGraceMs = 20_000
const longestLeaseMs = 3_600_000
/** How often a hold is tried anew with less, when others take what was left in the meantime. */
const maximumShrinks = 3
/** Less than this is no answer. */
const leastOutputTokens = 16

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

interface Bound {
  readonly inputTokens: number
  outputTokens: number
  readonly choices: number
  /** Whether the request has to be told how much it may write. */
  caps: boolean
  /** Whether it may be told to write less. */
  readonly mayShrink: boolean
}

function boundOf({ call, candidate }: Attempt, capOutput: boolean): Bound {
  const asked = askedOutputOf(call.request)
  const mayShrink = capOutput && asked === undefined && call.surface === 'chat'
  return {
    inputTokens: inputBoundOf(call.request, candidate.contextWindow),
    outputTokens: outputBoundOf(call, candidate),
    choices: choicesOf(call),
    caps: mayShrink && candidate.maxOutputTokens === undefined,
    mayShrink,
  }
}

/** Lowers the output to what an amount pays for. False where that is not allowed, or leaves no answer. */
function shrink(bound: Bound, nanoUsd: number, price: Price): boolean {
  if (!bound.mayShrink) return false
  const perChoice = Math.floor(affordableOutputTokens(nanoUsd, bound.inputTokens, price) / bound.choices)
  if (perChoice < leastOutputTokens) return false
  bound.outputTokens = Math.min(bound.outputTokens, perChoice * bound.choices)
  bound.caps = true
  return true
}

/** What a call's attempts have cost so far, and may still cost where they are under way. */
function spentBy({ record }: Call, underWay: ReadonlySet<HeldMoney>): number {
  const open = [...underWay]
  const ended = record.attempts.filter((entry) => !open.some((held) => held.entry === entry))
  return [...ended.map(({ costNanoUsd = 0 }) => costNanoUsd), ...open.map(({ nanoUsd }) => nanoUsd)].reduce(
    (sum, cost) => sum + cost,
    0,
  )
}

function tooDear(nanoUsd: number, left: number, model: string): SignalboxError {
  const message = `The call may cost up to ${usdOf(nanoUsd)} USD, and ${usdOf(Math.max(0, left))} USD is the most it may`
  return new SignalboxError('max_cost_exceeded', message, { model })
}
