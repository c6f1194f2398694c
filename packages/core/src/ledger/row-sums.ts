import { type Price, type UnitPrices, costNanoUsd, pricesFor } from '../money/price.ts'
import type { RawName, Sums } from '../reports/gather.ts'
import { Latencies } from '../reports/latencies.ts'

/** A sum of integers that stays exact however large it grows, without a big integer for each of them. */
class ExactSum {
  private large = 0n
  private small = 0

  add(value: number): void {
    this.small += value
    if (this.small < carryAbove) return
    this.large += BigInt(this.small)
    this.small = 0
  }

  addLarge(value: bigint): void {
    this.large += value
  }

  get total(): bigint {
    return this.large + BigInt(this.small)
  }
}

const carryAbove = 2 ** 52

class Group {
  attempts = 0
  unpricedAttempts = 0
  inputTokens = 0
  cachedInputTokens = 0
  outputTokens = 0
  reasoningTokens = 0
  calls = 0
  uses = 0
  successes = 0
  latencySumMs = 0
  lastTime = -Infinity
  readonly latencies = new Latencies()
  readonly cost = new ExactSum()
  readonly baseline = new ExactSum()

  use(isOk: number, latencyMs: number, time: number): void {
    this.uses++
    this.successes += isOk
    this.latencySumMs += latencyMs
    this.latencies.add(latencyMs)
    if (time > this.lastTime) this.lastTime = time
  }
}

/** Sums rows up by their raw names. Every row of a ledger comes by here: values are handed over one by one, in no object. */
export class RowSums {
  private readonly groups = new Map<RawName, Group>()
  private readonly baseline: Price | undefined
  /** Whether calls are counted by themselves, and not as attempts. */
  private readonly countsCalls: boolean

  constructor(baseline: Price | undefined, countsCalls: boolean) {
    this.baseline = baseline
    this.countsCalls = countsCalls
  }

  // oxlint-disable-next-line max-params -- the columns of a row, as SQLite hands them over
  readonly attempt = (
    _state: null,
    name: RawName,
    flags: number,
    input: number,
    cachedInput: number,
    cacheWrite: number,
    output: number,
    reasoning: number,
    longCacheWrite: number,
    cost: number | string | null,
    latencyMs: number,
    time: number,
  ): null => {
    const group = this.groupOf(name)
    group.attempts++
    group.inputTokens += input + cacheWrite
    group.cachedInputTokens += cachedInput
    group.outputTokens += output + reasoning
    group.reasoningTokens += reasoning
    if (cost !== null) {
      if (typeof cost === 'number') group.cost.add(cost)
      else group.cost.addLarge(BigInt(cost))
      if (this.baseline) {
        const prices = pricesFor(this.baseline, input + cachedInput + cacheWrite)
        group.baseline.add(costOf(prices, input, cachedInput, cacheWrite, output, reasoning, longCacheWrite))
      }
    } else if (input + cachedInput + cacheWrite + output + reasoning > 0) group.unpricedAttempts++
    if (this.countsCalls) return null
    group.calls += flags >> 1
    group.use(flags & 1, latencyMs, time)
    return null
  }

  // oxlint-disable-next-line max-params -- likewise
  readonly call = (_state: null, name: RawName, isOk: number, latencyMs: number, time: number): null => {
    const group = this.groupOf(name)
    group.calls++
    group.use(isOk, latencyMs, time)
    return null
  }

  all(): [RawName, Sums][] {
    return [...this.groups].map(([name, { cost, baseline, ...counts }]) => [
      name,
      { ...counts, costNanoUsd: cost.total, baselineNanoUsd: baseline.total },
    ])
  }

  private groupOf(name: RawName): Group {
    const known = this.groups.get(name)
    if (known) return known
    const group = new Group()
    this.groups.set(name, group)
    return group
  }
}

const picoPerNano = 1_000

/** The same as {@link costNanoUsd}, without an object for each row. */
// oxlint-disable-next-line max-params -- a token count of each class
function costOf(
  prices: UnitPrices,
  input: number,
  cachedInput: number,
  cacheWrite: number,
  output: number,
  reasoning: number,
  longCacheWrite: number,
): number {
  const pico =
    input * prices.input +
    cachedInput * prices.cachedInput +
    (cacheWrite - longCacheWrite) * prices.cacheWrite +
    longCacheWrite * (prices.longCacheWrite ?? prices.cacheWrite) +
    output * prices.output +
    reasoning * prices.reasoning
  if (pico <= Number.MAX_SAFE_INTEGER) return Math.ceil(pico / picoPerNano)
  return costNanoUsd(
    {
      inputTokens: input,
      cachedInputTokens: cachedInput,
      cacheWriteTokens: cacheWrite,
      outputTokens: output,
      reasoningTokens: reasoning,
      longCacheWriteTokens: longCacheWrite,
    },
    prices,
  )
}
