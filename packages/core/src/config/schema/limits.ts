import { z } from 'zod'
import { count } from './basics.ts'

export const whenStoreDown = z
  .enum(['open', 'closed', 'share'])
  .optional()
  .describe('While a shared store cannot be reached: let through, refuse, or go on with an equal part of the limit.')
export const rates = {
  requestsPerMinute: count.optional().describe('Calls in any 60 seconds.'),
  tokensPerMinute: count.optional().describe('Input and output tokens in any 60 seconds.'),
  concurrency: count.optional().describe('Calls under way at one time.'),
  whenStoreDown,
}
export const adaptiveConcurrency = z
  .union([
    z.boolean(),
    z
      .strictObject({
        initial: count.optional().describe('Calls at one time to start with. Default 20.'),
        minimum: count.optional().describe('Never fewer than this. Default 1.'),
        maximum: count.optional().describe('Never more than this. Default 1000.'),
        tolerance: z.number().min(1).optional().describe('How many times its usual the latency may be. Default 2.'),
      })
      .refine(
        ({ minimum = 1, initial = minimum, maximum = Math.max(initial, 1_000) }) =>
          minimum <= initial && initial <= maximum,
        'expected minimum <= initial <= maximum',
      ),
  ])
  .optional()
  .describe('Finds how many calls at one time the model bears. Default false.')
export const caps = {
  maxChoices: count.optional().describe('The most choices (n) one request may ask for.'),
  maxInputTokens: count.optional().describe('The largest input of one request, in estimated tokens.'),
  maxOutputTokens: count.optional().describe('The largest output one request may ask for.'),
}
export const limitRule = z.strictObject({ per: z.enum(['all', 'key', 'user', 'team', 'tag']), ...rates, ...caps })
