import { z } from 'zod'
import { storeFault } from '../store/place.ts'
import { apiKey, baseUrl, count, isExpression, name, weight } from './schema/basics.ts'
import { cacheOfRoute, cacheOfRouter } from './schema/cache.ts'
import { callerKey } from './schema/keys.ts'
import { adaptiveConcurrency, caps, limitRule, rates } from './schema/limits.ts'
import { budget, price } from './schema/money.ts'
import {
  breaker,
  callMs,
  connectMs,
  group,
  health,
  maxAttempts,
  maxAttemptsPerCall,
  retryBudget,
  times,
} from './schema/settings.ts'
import { strategyOf } from './schema/strategies.ts'
import { isSqliteFile } from '../sqlite/file.ts'

const dialect = z
  .enum(['openai-chat', 'openai-responses'])
  .optional()
  .describe('The one dialect in which it takes chat, where it takes no other.')
const vendor = z
  .enum(['deepseek', 'mistral', 'groq', 'ollama', 'vllm', 'openrouter', 'azure', 'gemini'])
  .optional()
  .describe('Whose endpoint it is, where its host does not tell.')

/** What says how long a request is and how its connection is kept is not for anybody to set: each call would fail. */
const ofTheConnection = /^(?!(?:content-length|expect|keep-alive|transfer-encoding|upgrade)$)/i

const modelKeys = {
  model: name.optional().describe("The provider's name for it. Default: its name here."),
  headers: z
    .record(
      z
        .string()
        .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'expected a header name')
        .regex(ofTheConnection, "expected a header of one's own: this one is the connection's"),
      z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'expected a header value'),
    )
    .optional(),
  weight: weight.describe('Its share under weighted strategies. Default 1.'),
  tags: z.array(z.string()).optional(),
  domain: z.string().min(1).optional().describe('What fails together with it. Default: base URL and key.'),
  price: price
    .optional()
    .describe('USD per million tokens; false for a model that costs nothing. Default: the public list.'),
  contextWindow: count.optional().describe('Tokens it can read and write in one call.'),
  maxOutputTokens: count.optional().describe('Tokens it can write in one call.'),
  tools: z.boolean().optional().describe('Whether it can call tools. Default: not known, and so not checked.'),
  modalities: z
    .array(z.enum(['image', 'audio', 'video', 'file']))
    .optional()
    .describe('What it can read besides text. Default: not known, and so not checked.'),
  reasoning: z.boolean().optional().describe('Whether it thinks before it speaks: longer time limits.'),
  retry: group({ ...maxAttempts, ...retryBudget }),
  timeouts: group({ ...connectMs, ...times }),
  breaker,
  health,
  limits: z
    .union([
      z.strictObject({ ...rates, adaptiveConcurrency, tier: name.optional().describe('A name under tiers.') }),
      z.literal(false),
    ])
    .optional(),
}

const routeModel = z.union([name, z.strictObject({ model: name, weight })])

/** What may stand in code and not in a file: values, functions and objects in place of their names. */
interface CodeParts {
  readonly apiKey: z.ZodType
  readonly model: Record<string, z.ZodType>
  readonly provider?: z.ZodType
  readonly strategy: z.ZodType
  readonly redact: z.ZodType
  readonly plugin: z.ZodType
  readonly cache: Record<string, z.ZodType>
  readonly top: Record<string, z.ZodType>
}

const isFunction = (value: unknown) => typeof value === 'function'
const isObjectWith = (key: string) => (value: unknown) =>
  typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[key] === 'function'

const expressions = z.array(z.string().refine(isExpression, 'expected a regular expression'))
const inFile: CodeParts = {
  apiKey,
  model: {},
  strategy: strategyOf(),
  redact: expressions,
  plugin: z.union([
    z.string().min(1),
    z.strictObject({ use: z.string().min(1), options: z.unknown().optional() }).describe('With what it takes.'),
  ]),
  cache: {},
  top: {},
}

const inCode: CodeParts = {
  apiKey: z.union([apiKey, z.custom(isFunction, 'expected a string or a function')]),
  model: { dispatcher: z.custom(isObjectWith('dispatch'), 'expected an undici dispatcher').optional() },
  provider: z.custom(isObjectWith('connect'), "expected 'openai', 'anthropic', 'openai-compatible' or a provider"),
  strategy: z.union([
    strategyOf(z.custom(isFunction, 'expected a verifier or a function')),
    z.custom(isFunction, 'expected a strategy, its name or a rank function'),
    z.custom(isObjectWith('rank'), 'expected a strategy, its name or a rank function'),
  ]),
  redact: z.union([expressions, z.custom(isFunction, 'expected regular expressions or a function')]),
  plugin: z.custom((value) => typeof value === 'object' && value !== null, 'expected a plugin'),
  cache: { layers: z.array(z.custom(isObjectWith('get'), 'expected a layer with get and set')).optional() },
  top: {
    logger: z.custom(isObjectWith('info'), 'expected a logger with debug, info, warn and error').optional(),
    clock: z.custom(isObjectWith('now'), 'expected a clock').optional(),
    random: z.custom(isFunction, 'expected a function that returns a number in [0, 1)').optional(),
  },
}

function build(parts: CodeParts) {
  const own = { ...modelKeys, apiKey: parts.apiKey.optional(), ...parts.model }
  const known = z.discriminatedUnion('provider', [
    z.strictObject({ provider: z.literal('openai'), baseUrl: baseUrl.optional(), dialect, ...own }),
    z.strictObject({ provider: z.literal('anthropic'), baseUrl: baseUrl.optional(), ...own }),
    z.strictObject({ provider: z.literal('openai-compatible'), baseUrl, dialect, vendor, ...own }),
  ])
  const plugins = z.union([z.array(parts.plugin), z.literal(false)]).optional()
  const custom = parts.provider && z.strictObject({ provider: parts.provider, ...own })
  return z.strictObject({
    $schema: z.string().optional(),
    version: z.literal(1).optional(),
    models: z
      .record(name, custom ? known.or(custom) : known)
      .refine((models) => Object.keys(models).length > 0, 'expected at least one model'),
    routes: z
      .record(
        name,
        z.strictObject({
          strategy: parts.strategy.optional().describe('How its models are ordered. Default "ordered".'),
          models: z.array(routeModel).min(1).optional().describe('Default: the models that its strategy names.'),
          maxCostUsd: z
            .number()
            .positive()
            .optional()
            .describe('The most that one call may cost with all its attempts.'),
          fallback: z.array(name).optional().describe('Models tried, in this order, after all of the above.'),
          retry: group({ ...maxAttempts, ...maxAttemptsPerCall, ...retryBudget }),
          timeouts: group({ ...times, ...callMs }),
          breaker,
          health,
          limits: z.union([z.strictObject({ ...rates, ...caps }), z.literal(false)]).optional(),
          cache: z
            .union([z.strictObject(cacheOfRoute), z.literal(false)])
            .optional()
            .describe('What differs on this route.'),
          plugins: plugins.describe('Plugins for the calls of this route alone.'),
        }),
      )
      .optional(),
    retry: group({ ...maxAttempts, ...maxAttemptsPerCall, ...retryBudget }),
    timeouts: group({ ...connectMs, ...times, ...callMs }),
    maxRequestBytes: count.optional().describe('The largest request body. Default 33554432 (32 MiB).'),
    maxResponseBytes: count.optional().describe('The largest plain answer. Default 33554432 (32 MiB).'),
    decisionHeaders: z
      .boolean()
      .optional()
      .describe('Whether answers carry x-signalbox-model, -route and -attempts. Default true.'),
    breaker,
    health,
    limits: z
      .union([z.array(limitRule), z.literal(false)])
      .optional()
      .describe('Limits for every caller of a kind.'),
    tiers: z.record(name, z.strictObject(rates)).optional().describe('Limits that several models share.'),
    queue: z
      .strictObject({ maximumWaiting: z.int().nonnegative().optional().describe('For each limit. Default 1000.') })
      .optional(),
    cache: z
      .union([z.strictObject({ ...cacheOfRoute, ...cacheOfRouter, ...parts.cache }), z.literal(false)])
      .optional()
      .describe('Answers of earlier calls for later ones.'),
    budgets: z
      .union([z.array(budget), z.literal(false)])
      .optional()
      .describe('What may be spent. Amounts are US dollars.'),
    unknownPrice: z
      .union([z.enum(['reject', 'highest-known', 'free']), z.literal(false)])
      .optional()
      .describe(
        'What is done with a model whose price is unknown, where a budget or a bound asks for it. Default "reject".',
      ),
    capOutput: z
      .boolean()
      .optional()
      .describe('Whether a budget may limit the output of a request that sets no limit. Default true.'),
    keys: z
      .union([z.array(callerKey), z.literal(false)])
      .optional()
      .describe('API keys that callers show where the host does not say who they are.'),
    logContent: z
      .union([z.strictObject({ redact: parts.redact, maxLength: count.optional() }), z.literal(false)])
      .optional()
      .describe('Prompts and answers in the log, without what the expressions match. Default false.'),
    maxCostHeader: z
      .boolean()
      .optional()
      .describe('Whether callers may bound the cost of a call by x-signalbox-max-cost, in US dollars. Default false.'),
    costHeader: z.boolean().optional().describe('Whether whole answers carry x-signalbox-cost. Default false.'),
    untranslatable: z
      .enum(['refuse', 'report'])
      .optional()
      .describe('What is done with a request that a model\'s dialect cannot say. Default "refuse".'),
    store: z
      .union([z.string().check(checkStore), z.literal(false)])
      .optional()
      .describe('Where limits and budgets are counted: "memory", or "sqlite:" and a file that processes share.'),
    ledger: z
      .union([z.string().min(1).refine(isLedger, expectedLedger), z.literal(false)])
      .optional()
      .describe('A SQLite file, or "memory".'),
    fingerprints: z
      .boolean()
      .optional()
      .describe('Whether the ledger keeps a hash of requests that a cache could answer. Default false.'),
    plugins: plugins.describe('Modules by package name or path, outermost first.'),
    hookTimes: z
      .boolean()
      .optional()
      .describe('Whether records and answers (Server-Timing) say how long each hook took. Default false.'),
    ...parts.top,
  })
}

const expectedLedger = 'expected a SQLite file by its name alone, or "memory"'
const isLedger = (ledger: string) => ledger === 'memory' || isSqliteFile(ledger)

/** Says what is wrong with the place of a store. */
function checkStore({ value, issues }: z.core.ParsePayload<string>): void {
  const message = storeFault(value)
  if (message !== undefined) issues.push({ code: 'custom', message, input: value })
}

/** The configuration as data: what a file may hold. */
export const fileSchema = build(inFile)

/** The configuration in code: data, and functions and objects besides. */
export const codeSchema = build(inCode)

/** The JSON Schema of a configuration file, for editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(fileSchema, { io: 'input' })
}
