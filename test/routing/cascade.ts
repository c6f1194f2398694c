import { type Provider, type Router, byCascade, createRouter, plainReply } from '@signalbox/core'
import { completionBody } from '@signalbox/testkit'
import { type Interval, intervalOf, resamples } from '../../packages/classifier/src/metrics/bootstrap.ts'
import { type Line, type Result, type RoutingData, withModels } from './data.ts'
import { fixed, mean, percent, table, within } from './table.ts'

/** Two cheap models that must agree, and the one that answers where they do not. */
export interface AgreementCascade {
  readonly source: string
  readonly cheap: readonly [string, string]
  readonly strong: string
}

/** What is measured. Nothing is trained for it and no setting chosen, so both splits count. */
export const agreementCascades: readonly AgreementCascade[] = [
  { source: 'zeroeval-gsm8k', cheap: ['gpt-4o-mini', 'gemini-1.5-flash'], strong: 'gpt-4o-2024-08-06' },
  { source: 'zeroeval-gsm8k', cheap: ['claude-3-haiku', 'gpt-4o-mini'], strong: 'claude-3-5-sonnet-20241022' },
  { source: 'zeroeval-math-l5', cheap: ['gpt-4o-mini', 'gemini-1.5-flash'], strong: 'gpt-4o-2024-08-06' },
  { source: 'mmlu-pro', cheap: ['gemini-1.5-flash-002', 'llama-3.1-70b-instruct'], strong: 'gemini-1.5-pro-002' },
]

/** What a cascade came to. */
export interface CascadeMeasures {
  readonly prompts: number
  readonly quality: number
  readonly premiumQuality: number
  /** How much more quality than the strong model has. */
  readonly gain: Interval
  readonly escalated: number
  /** Of the bill of the strong model for all prompts. */
  readonly share: number
  readonly shareInterval: Interval
  /** What the router charged, and what the data says it had to. */
  readonly billUsd: number
  readonly expectedBillUsd: number
}

const draws = 200

/** Sends every prompt through a router whose models answer as they did in the data, and adds up what it charged. */
export async function measureCascade(cascade: AgreementCascade, data: RoutingData): Promise<CascadeMeasures> {
  const { source, cheap, strong } = cascade
  const models = [...cheap, strong]
  const lines = (['train', 'validation'] as const).flatMap((split) => withModels(data.lines(split, [source]), models))
  const router = routerOf(cascade, lines, data)
  const sent: Sent[] = []
  for (const line of lines) sent.push(await send(line, cascade, router))
  await router.close()
  const premiumUsd = sum(sent.map((one) => one.premiumUsd))
  const drawn = [...resamples(lines.length, draws)].map((times) => {
    const total = (field: keyof Sent) => sum(sent.map((one, at) => one[field] * times[at]!))
    return {
      gain: (total('quality') - total('premiumQuality')) / lines.length,
      share: total('costUsd') / total('premiumUsd'),
    }
  })
  return {
    prompts: lines.length,
    quality: mean(sent.map(({ quality }) => quality)),
    premiumQuality: mean(sent.map(({ premiumQuality }) => premiumQuality)),
    gain: intervalOf(drawn.map(({ gain }) => gain)),
    escalated: mean(sent.map(({ escalated }) => escalated)),
    share: sum(sent.map(({ costUsd }) => costUsd)) / premiumUsd,
    shareInterval: intervalOf(drawn.map(({ share }) => share)),
    billUsd: sum(sent.map(({ costUsd }) => costUsd)),
    expectedBillUsd: sum(sent.map((one) => one.expectedUsd)),
  }
}

interface Sent {
  readonly quality: number
  readonly premiumQuality: number
  readonly escalated: number
  readonly costUsd: number
  readonly expectedUsd: number
  readonly premiumUsd: number
}

async function send({ prompt, results }: Line, { cheap, strong }: AgreementCascade, router: Router): Promise<Sent> {
  const { record, reply } = router.begin({ body: { model: 'auto', messages: [{ role: 'user', content: prompt }] } })
  const { model, ended } = await reply
  await ended
  const cost = (name: string) => results[name]!.cost_usd!
  const escalated = model === strong
  return {
    quality: results[model]!.score,
    premiumQuality: results[strong]!.score,
    escalated: Number(escalated),
    costUsd: sum(record.attempts.map(({ costNanoUsd = 0 }) => costNanoUsd / 1e9)),
    expectedUsd: sum(cheap.map(cost)) + (escalated ? cost(strong) : 0),
    premiumUsd: cost(strong),
  }
}

function routerOf({ cheap, strong }: AgreementCascade, lines: readonly Line[], data: RoutingData): Router {
  const byPrompt = new Map(lines.map((line) => [line.prompt, line.results]))
  const model = (name: string) => {
    const [input, output] = data.prices[name]!
    return [
      name,
      { provider: providerThat((prompt) => byPrompt.get(prompt)![name]!), price: { input, output } },
    ] as const
  }
  const [first, second] = cheap
  const strategy = byCascade({ cheap: [first], strong: [strong], verify: { use: 'agreement', with: second } })
  return createRouter({
    models: Object.fromEntries([first, second, strong].map(model)),
    routes: { auto: { strategy } },
  })
}

/** A provider that answers as the data has it. */
const providerThat = (resultOf: (prompt: string) => Result): Provider => ({
  name: 'routing-data',
  dialect: 'openai-chat',
  connect: (_options, { name }) => ({
    domain: name,
    async send({ call }) {
      const { pred, input_tokens: inputTokens = 0, output_tokens: outputTokens = 0 } = resultOf(call.request.text)
      const usage = { inputTokens, outputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 }
      const body = Buffer.from(JSON.stringify(completionBody({ content: pred ?? `no answer of ${name}` })))
      const headers = { 'content-type': 'application/json' }
      const ended = () => ({ how: 'complete', usage, estimated: false }) as const
      return plainReply({ status: 200, headers, dialect: 'openai-chat', model: name, body, ended })
    },
  }),
})

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** Every cascade: its quality beside that of the strong model, and its share of that one's bill. */
export async function cascadeTable(data: RoutingData): Promise<string> {
  const rows: string[][] = []
  for (const cascade of agreementCascades) {
    const measured = await measureCascade(cascade, data)
    rows.push([
      `${cascade.source}, ${measured.prompts} prompts`,
      `${cascade.cheap.join(' + ')}, else ${cascade.strong}`,
      fixed(measured.quality, 4),
      fixed(measured.premiumQuality, 4),
      within(measured.gain, 4),
      percent(measured.escalated),
      percent(measured.share),
      within(measured.shareInterval.map((share) => share * 100) as [number, number], 1),
    ])
  }
  const head = ['data', 'models', 'quality', 'strong alone', 'gain, 95 %', 'escalated', 'share of its bill', '95 %']
  return table(head, rows)
}
