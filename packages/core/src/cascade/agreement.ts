import { parseExactly } from '../dialects/json.ts'
import { type VerifiedAnswer, type Verifier, accepted, rejected } from './verifier.ts'

/** Options of the verifier `agreement`. */
export interface AgreementVerifierOptions {
  /** The model whose answer is the second opinion: none of the cheap ones. It is asked at the same time. */
  readonly with: string
  /**
   * An expression for what is compared: its first group, or all of its match, where it matches last.
   * @default the whole text
   */
  readonly extract?: string | undefined
}

/**
 * Accepts an answer that a second model gives too: the same calls of tools, the same JSON, the same number, or the same
 * text but for case, white space and punctuation at its ends. It says something of short answers, and nothing of prose.
 */
export function agreementVerifier({ with: partner, extract }: AgreementVerifierOptions): Verifier {
  const expression = extract === undefined ? undefined : new RegExp(extract, 'gu')
  return {
    name: 'agreement',
    prepare(_call, ask) {
      const second = ask(partner)
      second.catch(() => undefined)
      return async (first) => {
        let other: VerifiedAnswer
        try {
          other = await second
        } catch (error) {
          return rejected(`${JSON.stringify(partner)} gave no answer: ${(error as Error).message}`)
        }
        const [one, two] = [gist(first, expression), gist(other, expression)]
        if (one === undefined || two === undefined) return rejected('there is nothing to compare')
        return one === two
          ? accepted(`${JSON.stringify(partner)} says the same`)
          : rejected(`${JSON.stringify(partner)} says something else`)
      }
    },
  }
}

/** What an answer comes to, so that two that say the same have the same; undefined where it says nothing. */
export function gist({ text, toolCalls }: Pick<VerifiedAnswer, 'text' | 'toolCalls'>, expression?: RegExp) {
  if (toolCalls.length > 0) {
    const calls = toolCalls.map(
      ({ name, arguments: written }) => `${name} ${canonical(parseExactly(written) ?? written)}`,
    )
    return `calls ${calls.toSorted().join('\n')}`
  }
  const said = expression ? lastMatch(text, expression) : text
  const folded = said?.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ')
  const plain = folded && withoutEdges(folded)
  if (plain === undefined || plain === '') return undefined
  const digits = plain.replace(/(?<=\d),(?=\d{3}\b)/g, '')
  const number = Number(digits)
  if (Number.isFinite(number)) return `number ${Math.abs(number) > Number.MAX_SAFE_INTEGER ? digits : number}`
  const value = parseExactly(said!)
  return typeof value === 'object' && value !== null ? `json ${canonical(value)}` : `text ${plain}`
}

/** White space, punctuation and signs of money around an answer. A sign or a point before a number is part of it. */
const [before, behind] = [' "\'`*_([{<:;,!?$€£¥', ' "\'`*_)]}>:;,.!?%'].map((signs) => new Set(signs)) as [
  Set<string>,
  Set<string>,
]

function withoutEdges(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && before.has(text[start]!)) start++
  while (start < end && behind.has(text[end - 1]!)) end--
  return text.slice(start, end)
}

function lastMatch(text: string, expression: RegExp): string | undefined {
  const match = [...text.matchAll(expression)].at(-1)
  return match && (match[1] ?? match[0])
}

/** JSON in which the order of keys makes no difference. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
