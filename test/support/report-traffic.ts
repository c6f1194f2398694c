import { type Ledger, type LedgerAttempt, seededRandom } from '@signalbox/core'

const usdPerMillion = {
  'gpt-4.1': { input: 8, cachedInput: 2, output: 24 },
  'claude-sonnet-4.5': { input: 15, cachedInput: 1.5, output: 75 },
  'gemini-2.5-flash': { input: 2.5, cachedInput: 0.25, output: 10 },
  'deepseek-v3.2': { input: 0.42, cachedInput: 0.07, output: 2.1 },
}
type ModelName = keyof typeof usdPerMillion
const modelNames = Object.keys(usdPerMillion) as ModelName[]

/** The prices of {@link seedTraffic}, as a configuration writes them: USD per million tokens. */
export const trafficPrices: Readonly<Record<string, (typeof usdPerMillion)[ModelName]>> = usdPerMillion

/** What is written into a ledger. */
export interface SeededTraffic {
  readonly calls: number
  readonly seed: number
  /** The calls are spread evenly from here, in milliseconds since the Unix epoch. */
  readonly from: number
  /** To here. */
  readonly to: number
}

const callsPerFlush = 20_000

/**
 * Writes calls of 5,000 users with 40 keys, 12 teams, 3 routes and tags into a ledger, as a router would: a few go over to
 * another model, a few fail. The same seed writes the same.
 */
export async function seedTraffic(ledger: Ledger, { calls, seed, from, to }: SeededTraffic): Promise<void> {
  const dice = createDice(seed)
  for (let index = 0; index < calls; index++) {
    const about = callerOf(dice, index, from + Math.floor(((to - from) * index) / calls))
    const first = dice.pick(modelNames)
    const models = dice.chance(0.03) ? [first, dice.pick(modelNames)] : [first]
    const outcome = dice.chance(0.01) ? 'stream_interrupted' : 'ok'
    const attempts = models.map((model, place) => {
      const isLast = place === models.length - 1
      return { ...about, place, ...triedOf(dice, model, isLast ? outcome : 'upstream_error') }
    })
    for (const attempt of attempts) ledger.post(attempt)
    const durationMs = attempts.reduce((sum, { latencyMs }) => sum + latencyMs, 0.5)
    ledger.close({ ...about, model: models.at(-1), outcome, durationMs, ...decidedOf(about, models) })
    if (index % callsPerFlush === 0) await ledger.flush()
  }
  await ledger.flush()
}

type Dice = ReturnType<typeof createDice>

function createDice(seed: number) {
  const random = seededRandom(seed)
  const below = (count: number) => Math.floor(random() * count)
  return {
    random,
    below,
    chance: (share: number) => random() < share,
    pick: <T>(list: readonly T[]): T => list[below(list.length)]!,
  }
}

function callerOf({ below, pick }: Dice, index: number, time: number) {
  const callKey = `${time.toString(36)}-${below(2 ** 32).toString(36)}-${index}`
  const user = below(5_000)
  const identity = { key: `key-${user % 40}`, user: `user-${user}`, team: `team-${user % 12}`, tags: tagsOf[user % 3]! }
  return { callKey, callId: `call_${callKey}`, time, identity, route: pick(['auto', 'cheap', 'code']) }
}

const tagsOf = [['batch', 'eu'], ['chat'], []]

function triedOf({ random, below }: Dice, model: ModelName, outcome: string) {
  const failed = outcome === 'upstream_error'
  const tokens = (count: number) => (failed ? 0 : count)
  const { input, cachedInput, output } = usdPerMillion[model]
  const inputTokens = tokens(100 + below(2_000))
  const cachedInputTokens = tokens(below(3) * 128)
  const outputTokens = tokens(20 + below(600))
  const reasoningTokens = tokens(below(2) * 100)
  const usd = inputTokens * input + cachedInputTokens * cachedInput + (outputTokens + reasoningTokens) * output
  return {
    model,
    outcome,
    provider: 'openai-compatible',
    status: failed ? 503 : 200,
    latencyMs: 50 + random() ** 4 * 20_000,
    firstTokenMs: 40,
    inputTokens,
    cachedInputTokens,
    cacheWriteTokens: 0,
    outputTokens,
    reasoningTokens,
    costNanoUsd: BigInt(Math.round(usd * nanoUsdPerMillionth)),
    estimated: false,
    overrun: false,
    prices: pricesOf(model),
    priceSource: 'configuration',
  }
}

/** A millionth of a US dollar. */
const nanoUsdPerMillionth = 1_000

/** What a token costs, of what a million do. */
const pico = (usd: number) => Math.round(usd * 1e6)

function pricesOf(model: ModelName): NonNullable<LedgerAttempt['prices']> {
  const { input, cachedInput, output } = usdPerMillion[model]
  return {
    input: pico(input),
    cachedInput: pico(cachedInput),
    cacheWrite: pico(input),
    output: pico(output),
    reasoning: pico(output),
  }
}

function decidedOf({ callId, route, time }: ReturnType<typeof callerOf>, models: readonly ModelName[]) {
  const failovers = models
    .slice(1)
    .map((to, place) => ({ callId, route, from: models[place], to, reason: 'upstream_error', time }))
  const view = { reason: 'weight 25 of 100', health: 'healthy', breaker: 'closed', weight: 25 }
  const candidates = modelNames.map((name) => ({ name, ...view }))
  const labels = { complexity: 'simple', task: 'chat' }
  return { failovers: failovers.length, decision: { labels, strategy: 'weighted', candidates, seed: time, failovers } }
}
