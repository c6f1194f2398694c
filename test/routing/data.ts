import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Row } from '@signalbox/classifier'

/** A prompt with what models scored on it, as a line of the routing data holds it. */
export interface Line {
  readonly id: string
  readonly source: string
  readonly prompt: string
  readonly category: string
  readonly tools?: readonly string[]
  readonly results: Readonly<Record<string, Result>>
}

/** What a model made of a prompt. */
export interface Result {
  readonly score: number
  readonly cost_usd?: number
  readonly input_tokens?: number
  readonly output_tokens?: number
  /** Its final answer, where there is such a thing. */
  readonly pred?: string
}

/** Two models on some sources. */
export interface Track {
  readonly weak: string
  readonly strong: string
  readonly sources: readonly string[]
}

/** Some models on some sources. */
export interface Pool {
  readonly models: readonly string[]
  readonly sources: readonly string[]
}

/** The routing data: results of real models on public prompts. It is not part of this repository. */
export interface RoutingData {
  readonly tracks: Readonly<Record<string, Track>>
  readonly pools: Readonly<Record<string, Pool>>
  /** US dollars per million tokens of input and output. */
  readonly prices: Readonly<Record<string, readonly [input: number, output: number]>>
  lines(split: Split, sources: readonly string[]): Line[]
}

type Split = 'train' | 'validation'

/** Opens the data at `path`, else where `ROUTING_DATA` says, else at `../shared/routing-data`. */
export async function openRoutingData(
  path = process.env['ROUTING_DATA'] ?? '../shared/routing-data',
): Promise<RoutingData> {
  const folder = resolve(path)
  const tracksFile = `${folder}/scripts/tracks.mjs`
  if (!existsSync(tracksFile)) {
    throw new Error(
      `The routing data is not at ${folder}. Say where it is by --data FOLDER or ROUTING_DATA=FOLDER: ` +
        'a folder with train/*.jsonl, validation/*.jsonl and scripts/tracks.mjs.',
    )
  }
  const { TRACKS, POOLS } = await import(pathToFileURL(tracksFile).href)
  return {
    tracks: TRACKS,
    pools: POOLS,
    prices: JSON.parse(readFileSync(`${folder}/prices.json`, 'utf8')).models,
    lines: (split, sources) => sources.flatMap((source) => linesOf(`${folder}/${split}/${source}.jsonl`)),
  }
}

function linesOf(file: string): Line[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** The lines that have a result of each of these models. */
export const withModels = (lines: readonly Line[], models: readonly string[]) =>
  lines.filter(({ results }) => models.every((model) => results[model]))

/** The prompt of a line as a profile takes it. */
export const promptOf = ({ prompt, tools }: Line) => ({ text: prompt, tools: tools?.length ?? 0 })

/** Rows for training: of these models, or of all. */
export function rowsOf(lines: readonly Line[], domainOf: (line: Line) => string, models?: readonly string[]): Row[] {
  return lines.flatMap((line) =>
    Object.entries(line.results).flatMap(([model, { score, cost_usd: cost }]) => {
      if (models && !models.includes(model)) return []
      const { text: prompt, tools } = promptOf(line)
      return [{ prompt, tools, model, score, domain: domainOf(line), ...(cost !== undefined && { cost }) }]
    }),
  )
}

/** The domain of a line as its source says it: two sources with the same questions have the same domains. */
export const finest = ({ source, category }: Line) =>
  source.endsWith('gsm8k') || source === 'routerarena' ? category : `${source}/${category}`
