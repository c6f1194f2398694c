/** Latencies with their percentiles, kept to three significant digits. */
export class Latencies {
  private readonly counts = new Map<number, number>()

  add(ms: number): void {
    const rounded = threeDigits(ms)
    this.counts.set(rounded, (this.counts.get(rounded) ?? 0) + 1)
  }

  merge(others: Latencies): void {
    for (const [ms, count] of others.counts) this.counts.set(ms, (this.counts.get(ms) ?? 0) + count)
  }

  /** The latency that so many percent stay within; 0 where there are none. */
  percentileMs(percent: number): number {
    const sorted = [...this.counts].toSorted(([a], [b]) => a - b)
    const rank = (sorted.reduce((sum, [, count]) => sum + count, 0) * percent) / 100
    let seen = 0
    for (const [ms, count] of sorted) {
      seen += count
      if (seen >= rank) return ms
    }
    return 0
  }
}

function threeDigits(ms: number): number {
  if (ms < 1_000) return Math.round(ms)
  const step = ms < 10_000 ? 10 : ms < 100_000 ? 100 : 1_000
  return Math.round(ms / step) * step
}
