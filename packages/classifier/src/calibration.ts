import { type Judged, lambdaFor } from './calibrate.ts'
import type { CalibrationTarget } from './types.ts'

/** Calls that lambda is found from: the last ones. */
const windowCalls = 1_000
/** From so few calls on, and then each time that so many more have come. */
const firstCalls = 20
const everyCalls = 100

/** A lambda that follows the traffic. */
export interface Calibration {
  readonly lambda: number
  readonly hasBegun: boolean
  /** Begins with what stands for calls until there are enough. */
  begin(judged: readonly (readonly Judged[])[]): void
  /** Takes what was expected of the candidates of one call. */
  learn(judged: readonly Judged[]): void
}

/** Finds lambda for a target from the last calls, again and again; without a target it stays what it is. */
export function createCalibration(first: number, target: CalibrationTarget | undefined): Calibration {
  const recent: (readonly Judged[])[] = []
  let standIns: readonly (readonly Judged[])[] = []
  let lambda = first
  let hasBegun = target === undefined
  let seen = 0

  function search(): void {
    const judged = seen < everyCalls ? [...standIns, ...recent] : recent
    if (target && judged.length > 0) lambda = lambdaFor(judged, target).lambda
  }

  return {
    get lambda() {
      return lambda
    },
    get hasBegun() {
      return hasBegun
    },
    begin(judged) {
      hasBegun = true
      standIns = judged.filter(isChoice)
      search()
    },
    learn(judged) {
      if (!target || !isChoice(judged)) return
      recent[seen++ % windowCalls] = judged
      if (seen === firstCalls || seen % everyCalls === 0) search()
    },
  }
}

const isChoice = (judged: readonly Judged[]) => judged.length > 1
