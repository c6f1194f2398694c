import { usdOf } from './money/usd.ts'
import type { AttemptRecord } from './record.ts'

/** What attempts cost together so far, as an exact decimal of US dollars; undefined where one used what has no known price. */
export function costUsd(attempts: readonly AttemptRecord[]): string | undefined {
  if (attempts.some(({ usage, costNanoUsd }) => usage !== undefined && costNanoUsd === undefined)) return undefined
  return usdOf(attempts.reduce((sum, { costNanoUsd = 0 }) => sum + BigInt(costNanoUsd), 0n))
}
