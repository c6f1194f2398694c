import {
  type CallRecord,
  type CandidateRecord,
  type Price,
  type RouterOptions,
  classifier,
  createRouter,
  offline,
  pricesOf,
} from '@signalbox/core'
import type { ExplainOptions } from './decision-arguments.ts'
import { type Column, printable, table } from './table.ts'
import { bold, columns, screen } from './terminal.ts'

/** What `signalbox explain` prints: what would be decided on a prompt now, and why. Asks no provider. */
export async function explain(config: RouterOptions, options: ExplainOptions): Promise<string> {
  const { prompt, route = usualRoute(config), identity, labels, json } = options
  const given = classifier('signalbox explain', () => labels, { enforce: 'post' })
  const isGiven = Object.keys(labels).length > 0
  const router = createRouter(offline(isGiven ? { ...config, plugins: [...(config.plugins || []), given] } : config))
  try {
    const body = { model: route, messages: [{ role: 'user', content: prompt }] }
    const record = await router.explain({ body, identity })
    if (json) return JSON.stringify(record, null, 2)
    return explanation(record, pricesOf(config).priceOf)
  } finally {
    await router.close()
  }
}

const usualRoute = ({ routes = {}, models }: RouterOptions) =>
  'auto' in routes ? 'auto' : [...Object.keys(routes), ...Object.keys(models)][0]!

type PriceOf = (name: string) => Price | undefined

/** A decision in words: what was asked, what the call is, which models stand to be tried, and which do not. */
function explanation(record: CallRecord, priceOf: PriceOf): string {
  const { route, strategy, labels, candidates, passedOver, policy, seed, facts } = record
  const tokens = facts?.tokens
  const labelled = Object.entries(labels).map(([name, value]) => `${printable(name)}=${printable(value)}`)
  const asked: readonly (readonly [string, string])[] = [
    ['route', printable(route)],
    ['strategy', strategy],
    ['labels', labelled.join(', ') || 'none'],
    ...(tokens ? [['tokens', `about ${tokens.inputTokens} in`] as const] : []),
    ['policy', policy],
    ['seed', String(seed)],
  ]
  const first = candidates[0]!
  return [
    `${bold(printable(first.name))} would be asked first: ${printable(first.reason) || 'it is listed first'}.`,
    '',
    columns(asked),
    '',
    bold('To be tried, in this order'),
    candidateTable(candidates, priceOf),
    ...(passedOver.length > 0 ? ['', bold('Not to be tried'), candidateTable(passedOver, priceOf)] : []),
    '',
    'Nothing was sent.',
  ].join('\n')
}

function candidateTable(candidates: readonly CandidateRecord[], priceOf: PriceOf): string {
  const shown: readonly Column<CandidateRecord>[] = [
    { title: 'model', text: ({ name }) => printable(name), align: 'left' },
    { title: 'why', text: ({ reason }) => printable(reason) || 'as listed', align: 'left' },
    {
      title: 'score',
      text: ({ score }) => (score === undefined ? '' : String(Number(score.toPrecision(4)))),
      dropAt: 1,
    },
    { title: 'weight', text: ({ weight }) => String(Number(weight.toPrecision(3))), dropAt: 3 },
    { title: 'USD per 1M in/out', text: ({ name }) => priceText(priceOf(name)), dropAt: 2 },
  ]
  return table(shown, candidates, screen())
}

/** Prices are whole pico-USD per token: a million of these is a USD per million tokens. */
const priceText = (price: Price | undefined) =>
  price ? `${price.base.input / 1e6}/${price.base.output / 1e6}` : 'unknown'
