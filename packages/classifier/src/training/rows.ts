import type { PromptParts } from '../features/features.ts'

/** How one model did on one prompt: what a profile is trained from. */
export interface Row {
  readonly prompt: string
  readonly model: string
  /** How good the answer was, from 0 to 1. */
  readonly score: number
  /** What the answer cost, in US dollars. */
  readonly cost?: number
  /** What the prompt is about, in words of your own. All rows of a prompt should say the same. */
  readonly domain?: string
  /** How many tools the model could call. */
  readonly tools?: number
}

/** A prompt with all that is known of it. */
export interface Sample {
  readonly prompt: PromptParts
  readonly domain: string | undefined
  readonly results: ReadonlyMap<string, Result>
}

interface Result {
  readonly score: number
  readonly cost: number | undefined
}

/**
 * Gathers the rows of each prompt.
 *
 * @throws TypeError when a row is not one, saying which and what came instead.
 */
export function samplesOf(rows: Iterable<Row>): Sample[] {
  const samples = new Map<string, Sample & { results: Map<string, Result> }>()
  let number = 0
  for (const row of rows) {
    checkRow(row, number++)
    const { prompt, model, score, cost, domain, tools = 0 } = row
    const key = `${tools}\n${prompt}`
    let sample = samples.get(key)
    if (!sample) samples.set(key, (sample = { prompt: { text: prompt, tools }, domain, results: new Map() }))
    sample.results.set(model, { score, cost })
  }
  return [...samples.values()]
}

function checkRow(row: Row, number: number): void {
  const given: unknown = row
  if (typeof given !== 'object' || given === null) throw wrong(number, '', 'an object', given)
  if (typeof row.prompt !== 'string') throw wrong(number, '.prompt', 'a string', row.prompt)
  if (typeof row.model !== 'string' || row.model === '') throw wrong(number, '.model', 'a name', row.model)
  if (!isWithin(row.score, 1)) throw wrong(number, '.score', 'a number from 0 to 1', row.score)
  if (row.cost !== undefined && !isWithin(row.cost, Number.MAX_SAFE_INTEGER))
    throw wrong(number, '.cost', 'US dollars, 0 or more', row.cost)
  if (row.domain !== undefined && typeof row.domain !== 'string') throw wrong(number, '.domain', 'a string', row.domain)
  if (row.tools !== undefined && !isWithin(row.tools, Number.MAX_SAFE_INTEGER))
    throw wrong(number, '.tools', 'how many there are', row.tools)
}

const isWithin = (value: unknown, most: number) => typeof value === 'number' && value >= 0 && value <= most

const wrong = (number: number, where: string, expected: string, got: unknown) =>
  new TypeError(
    `rows[${number}]${where}: expected ${expected}, got ${typeof got === 'number' ? got : (JSON.stringify(got) ?? String(got))}`,
  )
