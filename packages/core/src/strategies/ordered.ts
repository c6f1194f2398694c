import type { Strategy } from './strategy.ts'

/** As listed: the first model, and the others only when it fails. */
export function ordered(): Strategy {
  return {
    name: 'ordered',
    rank: (_call, candidates) =>
      candidates.map(({ name }, index) => ({ name, reason: `place ${index + 1} in the list` })),
  }
}
