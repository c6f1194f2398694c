import type { Row } from '@signalbox/classifier'
import { type LedgerReader, type RatedCall, openLedger } from '@signalbox/core'
import { jsonLines } from './json-lines.ts'

/** Rows for training from what was said of answers, and how many calls were rated in all. */
export interface RatedRows {
  readonly rows: readonly Row[]
  readonly rated: number
}

/**
 * The rated calls of a ledger, with the prompts that the host has kept for them: no prompt is in a ledger. A prompt goes
 * by the key of its call, or by its id.
 *
 * @throws Error for a file that can't be read
 */
export async function ratedRows(ledgerFile: string, promptsFile: string): Promise<RatedRows> {
  const prompts = new Map<string, Prompt>()
  for await (const { value, where } of jsonLines(promptsFile)) {
    if (!isPrompt(value))
      throw new Error(`${where}: expected lines of {"id", "prompt"}, got ${JSON.stringify(value).slice(0, 100)}`)
    prompts.set(value.id, value)
  }
  const ledger = openLedger({ ledger: ledgerFile, models: {} })
  try {
    const rated = [...ledger.ratings()].filter(({ model }) => model !== undefined)
    const rows = rated.flatMap((call) => {
      const prompt = prompts.get(call.callKey) ?? prompts.get(call.callId)
      return prompt ? [rowOf(call, prompt, ledger)] : []
    })
    return { rows, rated: rated.length }
  } finally {
    ledger.end()
  }
}

interface Prompt {
  readonly id: string
  readonly prompt: string
  readonly tools?: number
}

const isPrompt = (line: unknown): line is Prompt =>
  typeof (line as Prompt | null)?.id === 'string' && typeof (line as Prompt).prompt === 'string'

function rowOf(call: RatedCall, { prompt, tools }: Prompt, ledger: LedgerReader): Row {
  const model = call.model!
  const { domain } = (call.decision as { readonly labels?: Readonly<Record<string, string>> }).labels ?? {}
  const cost = costUsdAt(model, call.callKey, ledger)
  return {
    prompt,
    model,
    score: call.score,
    ...(tools !== undefined && { tools }),
    ...(domain !== undefined && { domain }),
    ...(cost !== undefined && { cost }),
  }
}

/** Undefined where an attempt used tokens at a price that nobody knows, or none was made. */
function costUsdAt(model: string, callKey: string, ledger: LedgerReader): number | undefined {
  const costs = [...ledger.attempts({ callKey, model })].map(({ costNanoUsd }) => costNanoUsd)
  if (costs.length === 0 || costs.includes(undefined)) return undefined
  return costs.reduce<number>((sum, cost) => sum + Number(cost), 0) / 1e9
}
