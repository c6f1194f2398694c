import { z } from 'zod'
import { storeFault } from '../store/place.ts'
import { days } from '../strategies/rules.ts'

const headerSafe = /^[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?$/
const name = z.string().regex(headerSafe, 'expected 1 to 200 printable ASCII characters')
const baseUrl = z.url({ protocol: /^https?$/ })
const dialect = z
  .enum(['openai-chat', 'openai-responses'])
  .optional()
  .describe('The one dialect in which it takes chat, where it takes no other.')
const vendor = z
  .enum(['deepseek', 'mistral', 'groq', 'ollama', 'vllm', 'openrouter', 'azure', 'gemini'])
  .optional()
  .describe('Whose endpoint it is, where its host does not tell.')
const milliseconds = z.number().positive()
const count = z.int().positive()

const retry = (keys: Record<string, z.ZodType>) => z.union([z.strictObject(keys), z.literal(false)]).optional()
const timeouts = retry

const times = {
  firstTokenMs: milliseconds.optional().describe("A stream's time to its first content. Default 30000."),
  answerMs: milliseconds.optional().describe("A plain answer's time to its last byte. Default 120000."),
  stallMs: milliseconds.optional().describe('The longest silence inside a stream. Default 30000.'),
}
const connectMs = { connectMs: milliseconds.optional().describe('Connecting to a provider. Default 5000.') }
const callMs = { callMs: milliseconds.optional().describe('The whole call with all its attempts. Default 180000.') }
const maxAttempts = { maxAttempts: count.optional().describe('Attempts at one model, the first included. Default 3.') }
const retryBudget = {
  budgetRatio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Retries a domain allows for each request to it. Default 0.099.'),
  budgetPerSecond: z.number().min(0).optional().describe('Retries a second it allows at the least. Default 1.'),
}
const maxAttemptsPerCall = { maxAttemptsPerCall: count.optional().describe('Attempts of one call. Default 6.') }

const share = z.number().positive().max(1)
const breaker = retry({
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

const rate = z.number().min(0).max(1).optional()
const thresholds = z.strictObject({ p99Ms: milliseconds.optional(), errorRate: rate, timeoutRate: rate }).optional()
const health = retry({
  windowMs: milliseconds.optional().describe('How far back calls count. Default 300000.'),
  minimumCalls: z.int().nonnegative().optional().describe('Calls before a model is judged. Default 10.'),
  unhealthy: thresholds.describe('Default p99Ms 3000, errorRate 0.05, timeoutRate 0.03.'),
  degraded: thresholds.describe('Default p99Ms 1500, errorRate 0.02.'),
  probe: z
    .union([
      z.literal(false),
      z.strictObject({
        intervalMs: milliseconds.optional().describe('Default 30000.'),
        path: z.string().startsWith('/').optional().describe('Below the base URL. Default "/models".'),
        timeoutMs: milliseconds.optional().describe('Default 5000.'),
      }),
    ])
    .optional()
    .describe('Asks in the background whether the provider is there. Default false.'),
})

const whenStoreDown = z
  .enum(['open', 'closed', 'share'])
  .optional()
  .describe('While a shared store cannot be reached: let through, refuse, or go on with an equal part of the limit.')
const rates = {
  requestsPerMinute: count.optional().describe('Calls in any 60 seconds.'),
  tokensPerMinute: count.optional().describe('Input and output tokens in any 60 seconds.'),
  concurrency: count.optional().describe('Calls under way at one time.'),
  whenStoreDown,
}
const adaptiveConcurrency = z
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
const caps = {
  maxChoices: count.optional().describe('The most choices (n) one request may ask for.'),
  maxInputTokens: count.optional().describe('The largest input of one request, in estimated tokens.'),
  maxOutputTokens: count.optional().describe('The largest output one request may ask for.'),
}
const limitRule = z.strictObject({ per: z.enum(['all', 'key', 'user', 'team', 'tag']), ...rates, ...caps })

const usdPerMillion = z.number().nonnegative().describe('USD per million tokens.')
const priceKeys = {
  input: usdPerMillion,
  output: usdPerMillion,
  cachedInput: usdPerMillion.optional(),
  cacheWrite: usdPerMillion.optional(),
  reasoning: usdPerMillion.optional(),
}
const price = z.union([
  z.strictObject({
    ...priceKeys,
    tiers: z.array(z.strictObject({ aboveInputTokens: count, ...priceKeys })).optional(),
  }),
  z.literal(false),
])

const usedShare = z.number().gt(0).max(1)
/** What 64 bits hold in nano-USD. */
const largestLimitUsd = 9_000_000_000
const budget = z.strictObject({
  per: z.enum(['all', 'key', 'user', 'team', 'tag', 'route', 'model']),
  limitUsd: z.number().nonnegative().max(largestLimitUsd),
  window: z.union([z.enum(['minute', 'hour', 'day', 'week', 'month']), z.strictObject({ rollingMs: count })]),
  timeZone: z
    .string()
    .refine(isTimeZone, 'expected a time zone such as "Europe/Berlin"')
    .optional()
    .describe('Of the calendar. Default "UTC".'),
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

const callerBudget = budget.omit({ per: true, degrade: true })
const keyScope = {
  name: name.describe('Stands for the key in reports, budgets and limits.'),
  user: z.string().min(1).optional(),
  team: z.string().min(1).optional(),
  tier: z.string().min(1).optional(),
  tags: z.array(z.string().min(1)).optional(),
  routes: z.array(name).optional().describe('The routes and models it may ask for. Default: all.'),
  models: z.array(name).optional().describe('The models that may answer it. Default: all.'),
  maxCostUsd: z.number().positive().optional().describe('The most that one call may cost.'),
  budgets: z.array(callerBudget).optional().describe('What all its calls together may cost.'),
  expiresAt: z.union([z.iso.date(), z.iso.datetime({ offset: true })]).optional(),
}
const writtenKey = z.strictObject({ ...keyScope, key: z.string().min(1, 'expected a key') })
const hashedKey = z.strictObject({
  ...keyScope,
  sha256: z.string().regex(/^[\da-f]{64}$/, 'expected a SHA-256 in 64 hexadecimal digits'),
})
const keyFile = z.strictObject({ file: z.string().min(1).describe('A file that "signalbox keys" keeps.') })

const modelKeys = {
  model: name.optional().describe("The provider's name for it. Default: its name here."),
  headers: z
    .record(
      z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, 'expected a header name'),
      z.string().regex(/^[^\r\n\0]*$/, 'expected a header value'),
    )
    .optional(),
  weight: z.number().nonnegative().optional().describe('Its share under weighted strategies. Default 1.'),
  tags: z.array(z.string()).optional(),
  domain: z.string().min(1).optional().describe('What fails together with it. Default: base URL and key.'),
  price: price
    .optional()
    .describe('USD per million tokens; false for a model that costs nothing. Default: the public list.'),
  contextWindow: count.optional().describe('Tokens it can read and write in one call.'),
  maxOutputTokens: count.optional().describe('Tokens it can write in one call.'),
  reasoning: z.boolean().optional().describe('Whether it thinks before it speaks: longer time limits.'),
  retry: retry({ ...maxAttempts, ...retryBudget }),
  timeouts: timeouts({ ...connectMs, ...times }),
  breaker,
  health,
  limits: z
    .union([
      z.strictObject({ ...rates, adaptiveConcurrency, tier: name.optional().describe('A name under tiers.') }),
      z.literal(false),
    ])
    .optional(),
}

const strategyName = z.string().min(1)
const builtInStrategies = new Set([
  'ordered',
  'round-robin',
  'weighted',
  'least-latency',
  'cheapest',
  'complexity',
  'rules',
])
const nestedStrategy = z
  .union([strategyName, z.looseObject({ use: strategyName })])
  .optional()
  .describe('How these models are ordered. Default "ordered".')
const modelNames = z.array(name).min(1)
const texts = z.union([z.string(), z.array(z.string()).min(1)]).optional()
const timeOfDay = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'expected a time such as "08:30"')
const conditions = z.strictObject({
  labels: z.record(z.string(), z.union([z.string(), z.array(z.string()).min(1)])).optional(),
  key: texts,
  user: texts,
  team: texts,
  tier: texts,
  tag: texts,
  inputTokens: z.strictObject({ min: count.optional(), max: count.optional() }).optional(),
  stream: z.boolean().optional(),
  tools: z.boolean().optional(),
  modality: texts,
  time: z
    .strictObject({
      from: timeOfDay.optional(),
      to: timeOfDay.optional(),
      days: z.array(z.enum(days)).min(1).optional(),
      timeZone: z.string().refine(isTimeZone, 'expected a time zone such as "Europe/Berlin"').optional(),
    })
    .optional(),
})
const strategy = z.union([
  strategyName,
  z.discriminatedUnion('use', [
    z.strictObject({ use: z.enum(['ordered', 'round-robin', 'weighted', 'cheapest']) }),
    z.strictObject({
      use: z.literal('complexity'),
      simple: modelNames.optional(),
      moderate: modelNames.optional(),
      complex: modelNames.optional(),
      strategy: nestedStrategy,
    }),
    z.strictObject({
      use: z.literal('rules'),
      rules: z.array(
        z.strictObject({
          name: z.string().min(1).optional().describe('Stands in the reason of each decision.'),
          when: conditions.optional().describe('What a call must be like. Default: holds for every call.'),
          models: modelNames,
          strategy: nestedStrategy,
        }),
      ),
      otherwise: modelNames.describe('Serves calls for which no rule holds.'),
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

const cacheOfRoute = {
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
const cacheOfRouter = {
  per: z
    .enum(['identity', 'key', 'user', 'team', 'all'])
    .optional()
    .describe('Who shares answers. Default "identity".'),
  maximumBytes: count.optional().describe('What answers kept in the process may take. Default 67108864 (64 MiB).'),
  file: z.string().min(1).optional().describe('A SQLite file that the processes of a host share.'),
  maximumFileBytes: count.optional().describe('What the file may take. Default 1073741824 (1 GiB).'),
}

const routeModel = z.union([name, z.strictObject({ model: name, weight: z.number().nonnegative().optional() })])

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
  apiKey: z.string(),
  model: {},
  strategy,
  redact: expressions,
  plugin: z.union([
    z.string().min(1),
    z.strictObject({ use: z.string().min(1), options: z.unknown().optional() }).describe('With what it takes.'),
  ]),
  cache: {},
  top: {},
}

const inCode: CodeParts = {
  apiKey: z.union([z.string(), z.custom(isFunction, 'expected a string or a function')]),
  model: { dispatcher: z.custom(isObjectWith('dispatch'), 'expected an undici dispatcher').optional() },
  provider: z.custom(isObjectWith('connect'), "expected 'openai', 'anthropic', 'openai-compatible' or a provider"),
  strategy: z.union([
    strategy,
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
          retry: retry({ ...maxAttempts, ...maxAttemptsPerCall, ...retryBudget }),
          timeouts: timeouts({ ...times, ...callMs }),
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
    retry: retry({ ...maxAttempts, ...maxAttemptsPerCall, ...retryBudget }),
    timeouts: timeouts({ ...connectMs, ...times, ...callMs }),
    maxRequestBytes: count.optional().describe('The largest request body. Default 33554432 (32 MiB).'),
    maxResponseBytes: count.optional().describe('The largest plain answer. Default 33554432 (32 MiB).'),
    decisionHeaders: z.boolean().optional().describe('Whether answers carry x-signalbox-* headers. Default true.'),
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
      .describe('What is done with a model whose price is unknown. Default "reject".'),
    capOutput: z
      .boolean()
      .optional()
      .describe('Whether a budget may limit the output of a request that sets no limit. Default true.'),
    keys: z
      .union([z.array(z.union([writtenKey, hashedKey, keyFile])), z.literal(false)])
      .optional()
      .describe('API keys that callers show where the host does not say who they are.'),
    logContent: z
      .union([z.strictObject({ redact: parts.redact, maxLength: count.optional() }), z.literal(false)])
      .optional()
      .describe('Prompts and answers in the log, without what the expressions match. Default false.'),
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
      .union([z.string().min(1), z.literal(false)])
      .optional()
      .describe('A SQLite file, or "memory".'),
    plugins: plugins.describe('Modules by package name or path, outermost first.'),
    hookTimes: z
      .boolean()
      .optional()
      .describe('Whether records and answers (Server-Timing) say how long each hook took. Default false.'),
    ...parts.top,
  })
}

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

function isExpression(value: string): boolean {
  try {
    return Boolean(new RegExp(value, 'gu'))
  } catch {
    return false
  }
}

function isTimeZone(value: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: value }))
  } catch {
    return false
  }
}
