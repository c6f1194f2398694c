import type { RouterOptions } from '../config/options.ts'
import type { LedgerAttempt, LedgerCall, LedgerQuery, LedgerReader } from '../ledger/types.ts'
import { costNanoUsd, inputTokensOf, pricesFor } from '../money/price.ts'
import { usdOf } from '../money/usd.ts'
import { noUsage } from '../reply.ts'
import type { CallRecord } from '../record.ts'
import { createRouter } from '../router.ts'
import { offline } from './offline.ts'
import type { Rerouted } from './reroute.ts'

/** Calls that would have gone from one model to another. */
export interface SimulatedMove {
  /** The model that was tried first, and the one that would have been. */
  readonly from: string
  readonly to: string
  readonly calls: number
  /** Of these, those whose cost is known on both sides: the amounts are theirs. */
  readonly priced: number
  readonly costUsd: string
  readonly wouldCostUsd: string
}

/** Who would move: by key, or else by user or team. */
export interface SimulatedCaller {
  /** Empty for callers who said none of these. */
  readonly caller: string
  readonly calls: number
  readonly moved: number
}

/** Something that the ledger can't tell, and for how many calls. */
export interface SimulatedUnknown {
  readonly why: string
  readonly calls: number
}

/** What another policy would have made of the calls of a ledger. */
export interface Simulation {
  readonly policy: string
  /** The calls of the period on which anything was decided. */
  readonly calls: number
  /** Those that a cache answered, or that were refused before. */
  readonly undecided: number
  /** Calls that the same model would have got, and another one. */
  readonly same: number
  readonly moved: number
  /** Calls that are in neither, because the decision went by something that is not recorded. */
  readonly unknown: readonly SimulatedUnknown[]
  /** Calls whose model is known, and their cost on one side is not. They are in no amount. */
  readonly unpriced: readonly SimulatedUnknown[]
  /** What the calls cost whose cost is known on both sides, and what they would have cost. */
  readonly costUsd: string
  readonly wouldCostUsd: string
  readonly savingsUsd: string
  /** The most calls first. */
  readonly moves: readonly SimulatedMove[]
  readonly callers: readonly SimulatedCaller[]
}

/**
 * Decides again on every call of a ledger, in order, by another configuration, and reckons what that would have cost: the
 * same tokens at the other model's price, none of them from its prompt cache. A call that would have gone to the same
 * model costs what it did. Sends nothing.
 *
 * Known is only what is recorded. A strategy that reads prompts, a price that nobody knows and a call that failed are
 * `unknown`, and so is whether answers would have been as good, as long, or there at all.
 *
 * @example
 * const ledger = openLedger(config)
 * const { savingsUsd, moves, unknown } = await simulate(ledger, await loadConfig('other.config.ts'))
 */
export async function simulate(
  ledger: Pick<LedgerReader, 'calls' | 'attempts'>,
  config: RouterOptions,
  query: LedgerQuery = {},
): Promise<Simulation> {
  let now = 0
  const router = createRouter(offline(config, { now: () => now, wallTime: () => now }))
  const tally = new Tally(router.policy)
  try {
    for (const call of ledger.calls(query)) {
      now = Math.max(now, call.time)
      const attempts = [...ledger.attempts({ callKey: call.callKey })]
      const rerouted = await router.reroute(call, attempts)
      if (rerouted.outcome === 'decided') tally.decided({ call, attempts, ...rerouted })
      else if (rerouted.outcome === 'unknown') tally.unknown(call, rerouted.why)
      else tally.undecided++
    }
    return tally.result()
  } finally {
    await router.close()
  }
}

type Decided = Extract<Rerouted, { readonly outcome: 'decided' }> & {
  readonly call: LedgerCall
  readonly attempts: readonly LedgerAttempt[]
}

interface Costs {
  was: bigint
  would: bigint
}

class Tally {
  undecided = 0
  readonly #policy: string
  readonly #unknown = new Map<string, number>()
  readonly #unpriced = new Map<string, number>()
  readonly #moves = new Map<string, Costs & { from: string; to: string; calls: number; priced: number }>()
  readonly #callers = new Map<string, { calls: number; moved: number }>()
  readonly #costs: Costs = { was: 0n, would: 0n }
  #same = 0
  #moved = 0

  constructor(policy: string) {
    this.#policy = policy
  }

  unknown(call: LedgerCall, why: string): void {
    count(this.#unknown, why)
    this.#caller(call).calls++
  }

  decided(decided: Decided): void {
    const { call, model: to } = decided
    const from = firstOf(call)
    const caller = this.#caller(call)
    caller.calls++
    if (from === to) this.#same++
    else {
      this.#moved++
      caller.moved++
    }
    const costs = costsOf(decided, from)
    const parts = from === to ? [] : [this.#move(from, to)]
    for (const move of parts) move.calls++
    if (typeof costs === 'string') return count(this.#unpriced, costs)
    for (const move of parts) move.priced++
    for (const sums of [this.#costs, ...parts]) {
      sums.was += costs.was
      sums.would += costs.would
    }
  }

  result(): Simulation {
    const { was, would } = this.#costs
    const unknown = listOf(this.#unknown)
    const moves = [...this.#moves.values()].toSorted((a, b) => b.calls - a.calls)
    return {
      policy: this.#policy,
      calls: this.#same + this.#moved + unknown.reduce((sum, { calls }) => sum + calls, 0),
      undecided: this.undecided,
      same: this.#same,
      moved: this.#moved,
      unknown,
      unpriced: listOf(this.#unpriced),
      costUsd: usdOf(was),
      wouldCostUsd: usdOf(would),
      savingsUsd: usdOf(was - would),
      moves: moves.map((move) => ({
        from: move.from,
        to: move.to,
        calls: move.calls,
        priced: move.priced,
        costUsd: usdOf(move.was),
        wouldCostUsd: usdOf(move.would),
      })),
      callers: [...this.#callers]
        .map(([caller, counts]) => ({ caller, ...counts }))
        .toSorted((a, b) => b.moved - a.moved || b.calls - a.calls),
    }
  }

  #move(from: string, to: string) {
    const name = JSON.stringify([from, to])
    const known = this.#moves.get(name) ?? { from, to, calls: 0, priced: 0, was: 0n, would: 0n }
    this.#moves.set(name, known)
    return known
  }

  #caller({ identity: { key, user, team } }: LedgerCall) {
    const name = key ?? user ?? team ?? ''
    const known = this.#callers.get(name) ?? { calls: 0, moved: 0 }
    this.#callers.set(name, known)
    return known
  }
}

/** The model that was tried first, or would have been. */
function firstOf({ decision, model = '' }: LedgerCall): string {
  const { candidates = [] } = decision as { candidates?: readonly { readonly name: string }[] }
  return candidates[0]?.name ?? model
}

/** What a call cost and would have cost, in nano-USD; or why that can't be known. */
function costsOf({ call, attempts, model: to, price, isUnchanged }: Decided, from: string): Costs | string {
  if (attempts.some((attempt) => attempt.costNanoUsd === undefined)) return 'what the call cost is not known'
  const was = sumOf(attempts)
  if (isUnchanged || (to === from && !wasVerified(call))) return { was, would: was }
  if (to === from) return { was, would: sumOf(attempts.filter(({ model }) => model === to)) }
  const answering = attempts.findLast(({ model, outcome }) => model === call.model && outcome === 'ok')
  if (!answering) return 'the call failed: what it would have used at another model is not known'
  if (!price) return `the price of ${to} is not known`
  const { outputTokens, reasoningTokens } = answering
  const inputTokens = inputTokensOf(answering)
  const usage = { ...noUsage, inputTokens, outputTokens, reasoningTokens }
  return { was, would: BigInt(costNanoUsd(usage, pricesFor(price, inputTokens))) }
}

/** Whether a cascade asked other models because of an answer of the first. */
function wasVerified({ decision }: LedgerCall): boolean {
  const { cascade } = decision as Partial<CallRecord>
  return cascade !== undefined && cascade.verdict !== 'skipped'
}

const sumOf = (attempts: readonly LedgerAttempt[]) =>
  attempts.reduce((sum, attempt) => sum + (attempt.costNanoUsd ?? 0n), 0n)

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

const listOf = (counts: ReadonlyMap<string, number>): readonly SimulatedUnknown[] =>
  [...counts].map(([why, calls]) => ({ why, calls })).toSorted((a, b) => b.calls - a.calls)
