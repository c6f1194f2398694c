export interface Sum {
  expression: string
  result: string
}

const words: [RegExp, string][] = [
  [/\b(plus|cộng)(?!\p{L})/giu, '+'],
  [/\b(minus|trừ)(?!\p{L})/giu, ' - '],
  [/\b(times|multiplied by|nhân)(?!\p{L})/giu, '*'],
  [/(?<!\p{L})(divided by|chia)(?!\p{L})/giu, '/'],
]

const number = String.raw`\d[\d,]*(?:\.\d+)?`
const sum = new RegExp(String.raw`${number}(?:(?:\s*[+*/×÷]\s*|\s+[-x−]\s+|(?<=\d)x(?=\d))${number})+`)

/** Finds the first sum in a text (`17 * 23`, `2 plus 3`) and works it out; `-` needs spaces, or dates would be sums. */
export function calculate(text: string): Sum | undefined {
  const symbols = words.reduce((rest, [pattern, symbol]) => rest.replace(pattern, symbol), text)
  const found = sum.exec(symbols)?.[0]
  if (!found) return undefined
  const parts =
    found
      .replace(/[x×]/g, '*')
      .replace('÷', '/')
      .replace('−', '-')
      .match(/\d[\d,]*(?:\.\d+)?|[-+*/]/g) ?? []
  const result = addUp(parts)
  if (!Number.isFinite(result)) return undefined
  return { expression: parts.join(' ').replaceAll('*', '×'), result: String(Number(result.toFixed(6))) }
}

function addUp(parts: readonly string[]): number {
  const terms = [toNumber(parts[0])]
  for (let index = 1; index < parts.length; index += 2) {
    const value = toNumber(parts[index + 1])
    const operator = parts[index]
    if (operator === '*') terms.push(terms.pop()! * value)
    else if (operator === '/') terms.push(terms.pop()! / value)
    else terms.push(operator === '-' ? -value : value)
  }
  return terms.reduce((total, term) => total + term, 0)
}

function toNumber(text = ''): number {
  return Number(text.replaceAll(',', ''))
}
