import { z } from 'zod'
import { count, milliseconds } from './basics.ts'

export const cacheOfRoute = {
  ttlMs: milliseconds.optional().describe('How long an answer is new. Default 60000.'),
  staleWhileRevalidateMs: z
    .number()
    .nonnegative()
    .optional()
    .describe('How much longer it is given while a new one is made. Default 0.'),
  deterministicOnly: z
    .boolean()
    .optional()
    .describe('Whether only calls with temperature 0 or a seed are cached. Default true.'),
}
export const cacheOfRouter = {
  per: z
    .enum(['identity', 'key', 'user', 'team', 'all'])
    .optional()
    .describe('Who shares answers. Default "identity".'),
  maximumBytes: count.optional().describe('What answers kept in the process may take. Default 67108864 (64 MiB).'),
  file: z.string().min(1).optional().describe('A SQLite file that the processes of a host share.'),
  maximumFileBytes: count.optional().describe('What the file may take. Default 1073741824 (1 GiB).'),
}
