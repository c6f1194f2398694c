/** So many latencies are kept one by one; more are counted by how long they were. */
const mostKept = 2_048

/** Latencies with their percentiles, kept to three significant digits. */
export class Latencies {
  /** The steps of few, in any order. */
  private kept: number[] = []
  /** How many there are at each step, of many. */
  private counts: Uint32Array | undefined

  add(ms: number): void {
    this.addAt(stepOf(ms))
  }

  merge({ kept, counts }: Latencies): void {
    for (const step of kept) this.addAt(step)
    counts?.forEach((count, step) => {
      if (count > 0) this.counted()[step]! += count
    })
  }

  /** The latency that so many percent stay within; 0 where there are none. */
  percentileMs(percent: number): number {
    const { counts } = this
    if (!counts) {
      const sorted = Uint16Array.from(this.kept).toSorted()
      const rank = Math.ceil((sorted.length * percent) / 100)
      return sorted.length === 0 ? 0 : msAt(sorted[Math.max(rank, 1) - 1]!)
    }
    const rank = (counts.reduce((sum, count) => sum + count, 0) * percent) / 100
    let seen = 0
    return msAt(counts.findIndex((count) => count > 0 && (seen += count) >= rank))
  }

  private addAt(step: number): void {
    if (this.counts) this.counts[step]!++
    else if (this.kept.push(step) > mostKept) this.counted()
  }

  private counted(): Uint32Array {
    if (this.counts) return this.counts
    const counts = new Uint32Array(steps)
    for (const step of this.kept) counts[step]!++
    this.kept = []
    return (this.counts = counts)
  }
}

/** Whole milliseconds up to a second; from there on, 900 steps to every power of ten. */
const fineSteps = 1_000
const stepsOfTen = 900
const powers = 7
const steps = fineSteps + powers * stepsOfTen

function stepOf(ms: number): number {
  if (ms < fineSteps) return Math.max(0, Math.round(ms))
  let width = 10
  let below = fineSteps
  while (ms >= width * fineSteps) {
    width *= 10
    below += stepsOfTen
  }
  return Math.min(steps - 1, below + Math.round(ms / width) - 100)
}

function msAt(step: number): number {
  if (step < fineSteps) return step
  const above = step - fineSteps
  return ((above % stepsOfTen) + 100) * 10 ** (Math.floor(above / stepsOfTen) + 1)
}
