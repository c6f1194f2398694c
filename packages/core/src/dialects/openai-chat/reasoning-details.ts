import { isText, list, record, text } from '../json.ts'
import type { Proof, ReasoningPart } from '../neutral.ts'

/**
 * `reasoning_details` are OpenRouter's way to hand a model's thoughts through chat completions with what proves them.
 * https://openrouter.ai/docs/use-cases/reasoning-tokens
 */
const formats: Readonly<Record<string, string>> = {
  'anthropic-messages': 'anthropic-claude-v1',
  'openai-responses': 'openai-responses-v1',
}

/** The thoughts in a list of details; one without proof where only their text is there. */
export function readDetails(value: unknown, thought: string | undefined): ReasoningPart[] {
  const details = list(value).map(record).flatMap(readDetail)
  if (details.length === 0) return thought === undefined ? [] : [{ type: 'reasoning', text: thought }]
  // A stream's proof comes by itself, behind the text.
  const [only] = details
  return details.length === 1 && only!.text === '' && thought !== undefined ? [{ ...only!, text: thought }] : details
}

function readDetail(detail: Readonly<Record<string, unknown>>): ReasoningPart[] {
  const { type, format, signature, data, id } = detail
  const of = Object.keys(formats).find((name) => formats[name] === format)
  const thought = text(detail['text'] ?? detail['summary'])
  const proof = of && proofOf(of, { type, signature, data, id })
  if (!proof && thought === '') return []
  return [{ type: 'reasoning', text: thought, ...(proof && { proof }) }]
}

function proofOf(of: string, { signature, data, id }: Readonly<Record<string, unknown>>): Proof | undefined {
  const named = isText(id) ? { id } : {}
  if (isText(data)) return { of, kind: 'cipher', data, ...named }
  return isText(signature) ? { of, kind: 'signature', data: signature, ...named } : undefined
}

/** Thoughts as details; those without proof need none. */
export function writeDetails(reasoning: readonly ReasoningPart[]): object[] {
  return reasoning.flatMap((part, index) => (part.proof ? [writeDetail(part.text, part.proof, index)] : []))
}

/** One thought as a detail. */
export function writeDetail(thought: string, { of, kind, data, id }: Proof, index: number): object {
  const shared = { format: formats[of] ?? 'unknown', index, ...(id !== undefined && { id }) }
  return kind === 'cipher'
    ? { type: 'reasoning.encrypted', ...(thought !== '' && { summary: thought }), data, ...shared }
    : { type: 'reasoning.text', text: thought, signature: data, ...shared }
}
