/** The value below which so many percent of the values lie; NaN where there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).toSorted()
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN
}

/** The middle value, or the mean of the two in the middle; undefined where there are none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  if (sorted.length === 0) return undefined
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

/** Half of the range in percent of the median: how far rounds lay apart. */
export function spreadPercent(values: readonly number[]): number | undefined {
  const middle = median(values)
  return middle === undefined ? undefined : ((Math.max(...values) - Math.min(...values)) / 2 / middle) * 100
}
