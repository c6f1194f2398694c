import type { Prompt } from './features/features.ts'
import type { Calibrated, CalibrationTarget, Candidate, Profile, RankedCandidate } from './types.ts'

interface Calibration {
  readonly prompts: readonly Prompt[]
  readonly candidates: readonly Candidate[]
  readonly target: CalibrationTarget
}

const halvings = 60
const least = 1e-6
const most = 1e9

/**
 * Searches the lambda for a target on prompts. Share, cost and quality all fall as lambda rises, so halving finds it: the
 * least lambda that keeps within a share or a cost, the greatest that keeps a quality.
 */
export function calibrateLambda(profile: Profile, { prompts, candidates, target }: Calibration): Calibrated {
  checkTarget(target)
  if (prompts.length === 0) throw new TypeError('prompts: expected at least one, got none')
  if (candidates.length === 0) throw new TypeError('candidates: expected at least one, got none')
  const judged = prompts.map((prompt) => profile.rank(prompt, candidates))
  const unpriced = judged[0]!.find((candidate) => candidate.unpriced)
  if (unpriced) throw new TypeError(`candidates: nobody knows what "${unpriced.model}" costs, say it in \`costUsd\``)
  return lambdaFor(judged, target)
}

/** What is expected of a candidate for one prompt. */
export type Judged = Pick<RankedCandidate, 'quality' | 'costUsd'>

/** The lambda for a target on prompts whose candidates were judged, at least one. */
export function lambdaFor(judged: readonly (readonly Judged[])[], target: CalibrationTarget): Calibrated {
  const wantsHigh = 'minQuality' in target
  const isMet = (result: Omit<Calibrated, 'reached'>) => meets(target, result)
  const free = expectedAt(judged, 0)
  const dear = expectedAt(judged, most)
  if (wantsHigh ? !isMet(free) : isMet(free)) return { ...free, reached: isMet(free) }
  if (wantsHigh ? isMet(dear) : !isMet(dear)) return { ...dear, reached: isMet(dear) }
  let [low, high] = [Math.log(least), Math.log(most)]
  for (let halving = 0; halving < halvings; halving++) {
    const middle = (low + high) / 2
    if (isMet(expectedAt(judged, Math.exp(middle))) === wantsHigh) low = middle
    else high = middle
  }
  const found = expectedAt(judged, Math.exp(wantsHigh ? low : high))
  return { ...found, reached: isMet(found) }
}

function meets(target: CalibrationTarget, { share, quality, costUsd }: Omit<Calibrated, 'reached'>): boolean {
  if ('targetShare' in target) return share <= target.targetShare
  return 'minQuality' in target ? quality >= target.minQuality : costUsd <= target.maxCostUsd
}

function expectedAt(judged: readonly (readonly Judged[])[], lambda: number): Omit<Calibrated, 'reached'> {
  let [dearest, quality, costUsd] = [0, 0, 0]
  for (const candidates of judged) {
    let taken = candidates[0]!
    let top = taken
    for (const candidate of candidates) {
      const better = candidate.quality - taken.quality - lambda * (candidate.costUsd - taken.costUsd)
      if (better > 0 || (better === 0 && candidate.costUsd < taken.costUsd)) taken = candidate
      if (candidate.costUsd > top.costUsd) top = candidate
    }
    if (taken.costUsd === top.costUsd) dearest++
    quality += taken.quality
    costUsd += taken.costUsd
  }
  const count = judged.length
  return { lambda, share: dearest / count, quality: quality / count, costUsd: costUsd / count }
}

/** @throws TypeError for what is no target, saying what came instead */
export function checkTarget(target: CalibrationTarget): void {
  const entries = Object.entries(target ?? {})
  const names = ['targetShare', 'minQuality', 'maxCostUsd']
  const [name, value] = entries[0] ?? []
  if (entries.length !== 1 || !names.includes(name!))
    throw new TypeError(`target: expected one of ${names.join(', ')}, got ${JSON.stringify(target)}`)
  const limit = name === 'maxCostUsd' ? Infinity : 1
  if (typeof value !== 'number' || !(value >= 0 && value <= limit))
    throw new TypeError(`target.${name}: expected a number from 0${limit === 1 ? ' to 1' : ''}, got ${String(value)}`)
}
