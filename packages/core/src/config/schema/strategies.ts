import { z } from 'zod'
import { days } from '../../strategies/rules.ts'
import { count, isExpression, milliseconds, name, timeZone } from './basics.ts'

const strategyName = z.string().min(1)
const builtInStrategies = new Set([
  'ordered',
  'round-robin',
  'weighted',
  'least-latency',
  'cheapest',
  'bandit',
  'cascade',
  'complexity',
  'rules',
  'tier',
  'sticky',
])
const onceEach = (models: readonly string[]) => new Set(models).size === models.length
const modelNames = z.array(name).min(1).refine(onceEach, 'expected each model once')
const texts = z.union([z.string(), z.array(z.string()).min(1)]).optional()
const modality = z.enum(['text', 'image', 'audio', 'video', 'file'])
const timeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'expected a time such as "08:30"')
const conditions = z.strictObject({
  labels: z.record(z.string(), z.union([z.string(), z.array(z.string()).min(1)])).optional(),
  key: texts,
  user: texts,
  team: texts,
  tier: texts,
  tag: texts,
  inputTokens: z
    .strictObject({ min: count.optional(), max: count.optional() })
    .refine(({ min = 0, max = Infinity }) => min <= max, 'expected min to be at most max')
    .optional(),
  stream: z.boolean().optional(),
  tools: z.boolean().optional(),
  modality: z.union([modality, z.array(modality).min(1)]).optional(),
  time: z
    .strictObject({
      from: timeOfDay.optional(),
      to: timeOfDay.optional(),
      days: z.array(z.enum(days)).min(1).optional(),
      timeZone: timeZone.optional(),
    })
    .optional(),
})
const expression = z.string().refine(isExpression, 'expected a regular expression')
const verifier = z.union([
  z.enum(['schema', 'tools']),
  z.discriminatedUnion('use', [
    z.strictObject({
      use: z.literal('schema'),
      schema: z
        .union([z.record(z.string(), z.unknown()), z.boolean()])
        .optional()
        .describe('A JSON Schema. Default: the one that the request asks for.'),
    }),
    z.strictObject({ use: z.literal('tools') }),
    z
      .strictObject({
        use: z.literal('regex'),
        accept: expression.optional().describe('The text must match it.'),
        reject: expression.optional().describe('The text must not match it.'),
      })
      .refine(({ accept, reject }) => accept !== undefined || reject !== undefined, 'expected accept, reject or both'),
    z.strictObject({
      use: z.literal('agreement'),
      with: name.describe('The model whose answer is the second opinion.'),
      extract: expression.optional().describe('What is compared, where it matches last. Default: the whole text.'),
    }),
    z.strictObject({
      use: z.literal('judge'),
      model: name,
      criteria: z.string().min(1).optional().describe('What makes an answer good enough.'),
      maxOutputTokens: count.optional().describe('The most that the judge may write. Default 1024.'),
    }),
  ]),
])
const expectedVerifier =
  'expected a verifier or a list of them: "schema", "tools", or an object with "use": "regex", "agreement" or "judge"'
const verifyOf = (own?: z.ZodType) => {
  const one = own ? z.union([verifier, own]) : verifier
  return z.union([one, z.array(one).min(1)], expectedVerifier)
}
/** The models whose answers others are compared with. */
const secondOpinions = (verify: unknown) =>
  [verify].flat().flatMap((one) => {
    const { with: model } = Object(one) as { with?: unknown }
    return typeof model === 'string' ? [model] : []
  })

const tierOf = (nested: z.ZodType) => {
  const choice = z.strictObject({
    models: modelNames,
    strategy: nested,
    latencySensitive: z
      .strictObject({
        models: modelNames.optional().describe('Default: the same models.'),
        strategy: nested.describe('How they are ordered. Default "least-latency".'),
      })
      .optional()
      .describe('What differs for callers to whom time matters.'),
  })
  return z.strictObject({
    use: z.literal('tier'),
    tiers: z.record(z.string().min(1), choice).describe('By the tier of the caller, as the host names it.'),
    otherwise: choice.describe('Serves callers without a tier, and those of a tier that is not listed.'),
  })
}
const banditOf = (nested: z.ZodType) =>
  z
    .strictObject({
      use: z.literal('bandit'),
      arms: z
        .array(name)
        .min(2)
        .max(4)
        .refine(onceEach, 'expected each model once')
        .describe('Two to four models to choose among.'),
      share: z.number().positive().max(1).optional().describe('The share of calls an arm is drawn for. Default 1.'),
      strategy: nested.describe('How the arms are ordered for the rest. Default: the best so far first.'),
      label: z.string().min(1).optional().describe('Rewards are kept apart by it. Default "domain".'),
      lambda: z.number().nonnegative().optional().describe('The score that a US dollar must buy. Default 0.'),
      halfLifeMs: milliseconds.optional().describe('After this time a reward counts half. Default 86400000.'),
      prior: z.record(name, z.number()).optional().describe('The reward expected of each arm at first. Default 0.5.'),
      unrated: z.enum(['success', 'ignore']).optional().describe('What an answer nobody rated counts as.'),
    })
    .refine(({ arms, prior = {} }) => Object.keys(prior).every((arm) => arms.includes(arm)), {
      path: ['prior'],
      message: 'expected rewards of its arms only',
    })

/** What a strategy may be in a file, and in code with functions for verifiers. */
export function strategyOf(ownVerifier?: z.ZodType): z.ZodType {
  const nested: z.ZodType = z
    .lazy(() => strategy)
    .optional()
    .describe('How these models are ordered. Default "ordered".')
  const strategy = z.union([
    strategyName,
    z.discriminatedUnion('use', [
      z.strictObject({ use: z.enum(['ordered', 'round-robin', 'weighted', 'cheapest']) }),
      z
        .strictObject({
          use: z.literal('complexity'),
          simple: modelNames.optional(),
          moderate: modelNames.optional(),
          complex: modelNames.optional(),
          strategy: nested,
        })
        .refine(
          ({ simple, moderate, complex }) => simple || moderate || complex,
          'expected simple, moderate or complex',
        ),
      banditOf(nested),
      tierOf(nested),
      z
        .strictObject({
          use: z.literal('cascade'),
          cheap: modelNames.describe('Asked first.'),
          strong: modelNames.describe('Asked where the answer of a cheap model is rejected.'),
          verify: verifyOf(ownVerifier).describe('What verifies the answer of a cheap model.'),
          strategy: nested,
        })
        .refine(({ cheap, strong }) => strong.some((model) => !cheap.includes(model)), {
          path: ['strong'],
          message: 'expected a model that is not among the cheap ones',
        })
        .refine(({ cheap, verify }) => !secondOpinions(verify).some((model) => cheap.includes(model)), {
          path: ['verify'],
          message: 'expected the second opinion of a model that is not among the cheap ones',
        }),
      z.strictObject({
        use: z.literal('rules'),
        rules: z.array(
          z.strictObject({
            name: z.string().min(1).optional().describe('Stands in the reason of each decision.'),
            when: conditions.optional().describe('What a call must be like. Default: holds for every call.'),
            models: modelNames,
            strategy: nested,
          }),
        ),
        otherwise: modelNames.describe('Serves calls for which no rule holds.'),
      }),
      z.strictObject({
        use: z.literal('sticky'),
        strategy: nested,
        ttlMs: milliseconds.optional().describe("How long a provider's prompt cache keeps a prompt. Default 300000."),
      }),
      z.strictObject({
        use: z.literal('least-latency'),
        windowMs: milliseconds.optional().describe('How long a sample counts. Default 30000.'),
      }),
    ]),
    z
      .looseObject({ use: strategyName })
      .refine(({ use }) => !builtInStrategies.has(use), { abort: true })
      .describe("A plugin's strategy, with its options."),
  ])
  return strategy
}
