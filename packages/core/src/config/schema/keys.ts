import { z } from 'zod'
import { apiKey, instant, name } from './basics.ts'
import { budget } from './money.ts'

const callerBudget = budget.omit({ per: true, degrade: true })
const keyScope = {
  name: name.describe('Stands for the key in reports, budgets and limits.'),
  user: z.string().min(1).optional(),
  team: z.string().min(1).optional(),
  tier: z.string().min(1).optional(),
  latencySensitive: z.boolean().optional().describe('Whether time matters to it, for the strategy "tier".'),
  tags: z.array(z.string().min(1)).optional(),
  routes: z.array(name).optional().describe('The routes and models it may ask for. Default: all.'),
  models: z.array(name).optional().describe('The models that may answer it. Default: all.'),
  maxCostUsd: z.number().positive().optional().describe('The most that one call may cost.'),
  budgets: z.array(callerBudget).optional().describe('What all its calls together may cost.'),
  expiresAt: instant.optional(),
}
const writtenKey = z.strictObject({ ...keyScope, key: apiKey })
const sha256 = z.string().regex(/^[\da-f]{64}$/, 'expected a SHA-256 in 64 hexadecimal digits')
const hashedKey = z.strictObject({ ...keyScope, sha256 })
const keyFile = z.strictObject({ file: z.string().min(1).describe('A file that "signalbox keys" keeps.') })

/** An API key: as it is, as its digest, or a file of many. */
export const callerKey = z.union([writtenKey, hashedKey, keyFile])

/** A key as a file of keys has it. One whose time cannot be read has expired, and leaves the others alone. */
export const storedKey = z.strictObject({
  ...keyScope,
  name: z.string().min(1),
  id: z.string().min(1),
  sha256,
  createdAt: z.string(),
  expiresAt: z.string().optional(),
})

/** What stands in a file of keys. */
export const storedKeys = z.object({ keys: z.array(storedKey) })
