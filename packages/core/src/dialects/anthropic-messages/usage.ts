import { isRecord } from '../../is-record.ts'
import { noUsage } from '../../reply.ts'
import type { Usage } from '../../types.ts'
import { list, record } from '../json.ts'
import type { JsonBody } from '../json-request.ts'
import { Counts, type UsageNormaliser, isCount, partsOf } from '../usage.ts'

/**
 * Anthropic's classes are disjoint but for thoughts, which it counts inside `output_tokens`; newer models tell how many.
 * It gives no total. A stream says its input at its start and its output at its end: what is read here is both together.
 * A compaction that was made on the way is billed too, and stands in `iterations` alone.
 */
export const normaliseUsage: UsageNormaliser = (raw) => {
  if (!isRecord(raw)) return undefined
  const own = ownUsage(raw)
  const compactions = list(raw['iterations'])
    .map(record)
    .filter(({ type }) => type === 'compaction')
  const isReadable = isCount(raw['input_tokens']) && isCount(raw['output_tokens'])
  if (compactions.length === 0 || (!own && !isReadable)) return own
  const read = compactions.map((one) => ownUsage(one) ?? unreadable)
  const all = [...read, ...(own ? [own] : [])].reduce(together, { ...noUsage, faults: ['compaction'] })
  return own || read.some((one) => one !== unreadable) ? all : undefined
}

const unreadable: Usage = { ...noUsage, faults: ['not_a_count'] }

function together(one: Usage, other: Usage): Usage {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    cachedInputTokens: one.cachedInputTokens + other.cachedInputTokens,
    cacheWriteTokens: one.cacheWriteTokens + other.cacheWriteTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    reasoningTokens: one.reasoningTokens + other.reasoningTokens,
    ...longWrites((one.longCacheWriteTokens ?? 0) + (other.longCacheWriteTokens ?? 0)),
    faults: [...new Set([...(one.faults ?? []), ...(other.faults ?? [])])].toSorted(),
  }
}

const longWrites = (tokens: number) => tokens > 0 && { longCacheWriteTokens: tokens }

function ownUsage(raw: JsonBody): Usage | undefined {
  const counts = new Counts()
  const input = counts.needed(raw['input_tokens'])
  const output = counts.needed(raw['output_tokens'])
  if (input === undefined || output === undefined) return undefined
  const cached = counts.part(raw['cache_read_input_tokens'])
  const byLife = partsOf(raw, 'cache_creation')
  const short = counts.part(byLife['ephemeral_5m_input_tokens'])
  const long = counts.part(byLife['ephemeral_1h_input_tokens'])
  const said = counts.part(raw['cache_creation_input_tokens'], short + long)
  const written = Math.max(said, short + long)
  if (input + cached + written + output === 0) return undefined
  if (short + long > 0 && short + long !== said) counts.faults.add('total_mismatch')
  counts.noteOtherPrices(raw)
  if (input + cached + written === 0) counts.faults.add('no_input')
  const thoughts = counts.part(partsOf(raw, 'output_tokens_details')['thinking_tokens'])
  if (thoughts > output) counts.faults.add('reasoning_above_output')
  return counts.usage({
    inputTokens: input,
    cachedInputTokens: cached,
    cacheWriteTokens: written,
    outputTokens: Math.max(0, output - thoughts),
    reasoningTokens: thoughts,
    // What is missing from a breakdown is read the dearer way.
    ...longWrites(short + long > 0 ? written - short : 0),
  })
}
