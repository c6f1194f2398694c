import { z } from 'zod'
import { count, milliseconds } from './basics.ts'

/** A group of settings, or `false`, which switches it off. */
export const group = (keys: Record<string, z.ZodType>) => z.union([z.strictObject(keys), z.literal(false)]).optional()

export const times = {
  firstTokenMs: milliseconds.optional().describe("A stream's time to its first content. Default 30000."),
  answerMs: milliseconds.optional().describe("A plain answer's time to its last byte. Default 120000."),
  stallMs: milliseconds.optional().describe('The longest silence inside a stream. Default 30000.'),
}
export const connectMs = { connectMs: milliseconds.optional().describe('Connecting to a provider. Default 5000.') }
export const callMs = {
  callMs: milliseconds.optional().describe('The whole call with all its attempts. Default 180000.'),
}
export const maxAttempts = {
  maxAttempts: count.optional().describe('Attempts at one model, the first included. Default 3.'),
}
export const retryBudget = {
  budgetRatio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Retries a domain allows for each request to it. Default 0.099.'),
  budgetPerSecond: z.number().min(0).optional().describe('Retries a second it allows at the least. Default 1.'),
}
export const maxAttemptsPerCall = { maxAttemptsPerCall: count.optional().describe('Attempts of one call. Default 6.') }

const share = z.number().positive().max(1)
const breakerSettings = z
  .strictObject({
    consecutiveFailures: count.optional().describe('Failures in a row that open it. Default 5.'),
    failureRate: share.optional().describe('The share of failing calls that opens it. Default 0.5.'),
    minimumCalls: count.optional().describe('Calls the window must hold before the share can open it. Default 20.'),
    windowMs: milliseconds.optional().describe('The window the share is taken over. Default 60000.'),
    openMs: milliseconds.optional().describe('How long it stays open at first. Default 30000.'),
    maxOpenMs: milliseconds.optional().describe('The longest it stays open. Default 300000.'),
    halfOpenProbes: count
      .optional()
      .describe('Calls let through at one time to see whether the model is back. Default 1.'),
  })
  .refine(({ openMs = 0, maxOpenMs = Infinity }) => openMs <= maxOpenMs, 'expected openMs <= maxOpenMs')
export const breaker = z.union([breakerSettings, z.literal(false)]).optional()

const rate = z.number().min(0).max(1).optional()
const thresholds = z.strictObject({ p99Ms: milliseconds.optional(), errorRate: rate, timeoutRate: rate }).optional()
export const health = group({
  windowMs: milliseconds.optional().describe('How far back calls count. Default 300000.'),
  minimumCalls: z.int().nonnegative().optional().describe('Calls before a model is judged. Default 10.'),
  unhealthy: thresholds.describe('Default p99Ms 3000 (30000 for a reasoning model), errorRate 0.05, timeoutRate 0.03.'),
  degraded: thresholds.describe('Default p99Ms 1500 (15000 for a reasoning model), errorRate 0.02.'),
  probe: z
    .union([
      z.literal(false),
      z.strictObject({
        intervalMs: milliseconds.optional().describe('Default 30000.'),
        path: z
          .string()
          .regex(/^\//, 'expected a path such as /models')
          .optional()
          .describe('Below the base URL. Default "/models".'),
        timeoutMs: milliseconds.optional().describe('Default 5000.'),
      }),
    ])
    .optional()
    .describe('Asks in the background whether the provider is there. Default false.'),
})
