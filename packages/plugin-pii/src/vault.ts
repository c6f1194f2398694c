import type { Search } from './search.ts'

/** A piece of a text: as it came, or what stands in the place of something. */
type Piece = string | { readonly pseudonym: string }

const pseudonymForm = /\[\w+_\d+\]/g
const begunPseudonym = /\[\w*$/

/** What was taken out of one call, and what stands in its place. */
export class Vault {
  private readonly searches: readonly Search[]
  private readonly pseudonyms = new Map<string, string>()
  private readonly values = new Map<string, string>()
  private readonly counts = new Map<string, number>()
  /** All text of the call: what stands in it already is no pseudonym of ours. */
  private readonly everything: () => string

  constructor(searches: readonly Search[], everything: () => string) {
    this.searches = searches
    this.everything = everything
  }

  get isEmpty(): boolean {
    return this.values.size === 0
  }

  /** The text with pseudonyms; the same value has the same one wherever it stands. What was found first stays found. */
  redact(text: string): string {
    const pieces = this.searches.reduce<readonly Piece[]>(
      (all, search) => all.flatMap((piece) => (typeof piece === 'string' ? this.cut(piece, search) : [piece])),
      [text],
    )
    return pieces.map((piece) => (typeof piece === 'string' ? piece : piece.pseudonym)).join('')
  }

  /** The text with its values. `write` says how a value is written where the text stands. */
  restore(text: string, write: (value: string) => string = (value) => value): string {
    return text.replaceAll(pseudonymForm, (found) => {
      const value = this.values.get(found)
      return value === undefined ? found : write(value)
    })
  }

  /** How much of the end of a text may be the beginning of a pseudonym. */
  openEnd(text: string): number {
    const [end] = begunPseudonym.exec(text) ?? []
    return end !== undefined && [...this.values.keys()].some((pseudonym) => pseudonym.startsWith(end)) ? end.length : 0
  }

  private cut(text: string, { label, each }: Search): Piece[] {
    const pieces: Piece[] = []
    let last = 0
    each(text, (start, end, read) => {
      pieces.push(text.slice(last, start), { pseudonym: this.pseudonymOf(read, label) })
      last = end
    })
    return last === 0 ? [text] : [...pieces, text.slice(last)]
  }

  private pseudonymOf(value: string, label: string): string {
    const known = this.pseudonyms.get(value)
    if (known) return known
    const everything = this.everything()
    let pseudonym: string
    do {
      const count = (this.counts.get(label) ?? 0) + 1
      this.counts.set(label, count)
      pseudonym = `[${label}_${count}]`
    } while (everything.includes(pseudonym))
    this.pseudonyms.set(value, pseudonym)
    this.values.set(pseudonym, value)
    return pseudonym
  }
}
