import { z } from 'zod'
import { count, name, timeZone } from './basics.ts'
import { whenStoreDown } from './limits.ts'

/** One pico-USD for a token: what is less would be rounded to nothing, and was meant for a single token. */
const leastUsdPerMillion = 1e-6
const usdPerMillion = z
  .number()
  .nonnegative()
  .refine((usd) => usd === 0 || usd >= leastUsdPerMillion, 'expected USD per million tokens: 0, or 0.000001 or more')
  .describe('USD per million tokens.')
const priceKeys = {
  input: usdPerMillion,
  output: usdPerMillion,
  cachedInput: usdPerMillion.optional(),
  cacheWrite: usdPerMillion.optional(),
  longCacheWrite: usdPerMillion.optional(),
  reasoning: usdPerMillion.optional(),
}
const haveOwnBounds = (tiers: readonly { readonly aboveInputTokens: number }[]) =>
  new Set(tiers.map(({ aboveInputTokens }) => aboveInputTokens)).size === tiers.length
export const price = z.union([
  z.strictObject({
    ...priceKeys,
    tiers: z
      .array(z.strictObject({ aboveInputTokens: count, ...priceKeys }))
      .refine(haveOwnBounds, 'expected tiers of different aboveInputTokens')
      .optional(),
  }),
  z.literal(false),
])

const usedShare = z.number().gt(0).max(1)
/** What 64 bits hold in nano-USD. */
const largestLimitUsd = 9_000_000_000
export const budget = z.strictObject({
  per: z.enum(['all', 'key', 'user', 'team', 'tag', 'route', 'model']),
  limitUsd: z.number().nonnegative().max(largestLimitUsd),
  window: z.union([z.enum(['minute', 'hour', 'day', 'week', 'month']), z.strictObject({ rollingMs: count })]),
  timeZone: timeZone.optional().describe('Of the calendar. Default "UTC".'),
  soft: z.boolean().optional().describe('Counts and alerts, and never refuses. Default false.'),
  whenStoreDown,
  alertAt: z
    .union([usedShare, z.array(usedShare)])
    .optional()
    .describe('Shares of the limit at which to tell, once each.'),
  degrade: z
    .strictObject({ at: usedShare, routes: z.record(name, name) })
    .optional()
    .describe('From a share on, calls for one route go by another.'),
})
