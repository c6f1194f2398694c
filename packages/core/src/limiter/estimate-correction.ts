/** Learns for each model by how much the estimate of its tokens is wrong. */
export interface EstimateCorrection {
  /** The estimate times what was learned, rounded up. Models that nothing is known of are left as they are. */
  correct(model: string, estimated: number): number
  /** Learns from a call: the estimate before correction, and what was billed. What makes no sense is ignored. */
  observe(model: string, call: { estimated: number; actual: number }): void
  /** Actual over estimated, as learned. */
  factor(model: string): number
}

export interface EstimateCorrectionOptions {
  /** How much the newest call counts, from 0 to 1. The first calls count more. @default 0.05 */
  weight?: number
  /** @default 0.5 */
  minimumFactor?: number
  /** @default 4 */
  maximumFactor?: number
}

/**
 * An exponentially weighted mean of actual over estimated, kept between two bounds, as is each observation.
 *
 * @example
 * const correction = createEstimateCorrection()
 * correction.observe('claude', { estimated: 1_000, actual: 1_200 })
 * correction.correct('claude', 500) // 600
 */
export function createEstimateCorrection(options: EstimateCorrectionOptions = {}): EstimateCorrection {
  const { weight = 0.05, minimumFactor = 0.5, maximumFactor = 4 } = options
  if (!(weight > 0 && weight <= 1)) throw new RangeError(`Expected weight to be above 0 and at most 1, got ${weight}`)
  if (!(minimumFactor > 0 && minimumFactor <= 1)) {
    throw new RangeError(`Expected minimumFactor to be above 0 and at most 1, got ${minimumFactor}`)
  }
  if (!(maximumFactor >= 1)) throw new RangeError(`Expected maximumFactor to be 1 or more, got ${maximumFactor}`)
  const learned = new Map<string, { factor: number; calls: number }>()

  const factor = (model: string) => learned.get(model)?.factor ?? 1
  const correct = (model: string, estimated: number) => Math.ceil(estimated * factor(model))

  function observe(model: string, { estimated, actual }: { estimated: number; actual: number }) {
    if (!(estimated > 0 && actual > 0 && Number.isFinite(estimated) && Number.isFinite(actual))) return
    const observed = Math.min(maximumFactor, Math.max(minimumFactor, actual / estimated))
    const before = learned.get(model) ?? { factor: 1, calls: 0 }
    const share = Math.max(weight, 1 / (before.calls + 1))
    learned.set(model, { factor: before.factor + share * (observed - before.factor), calls: before.calls + 1 })
  }

  return { correct, observe, factor }
}
