import type { Detector } from './detect.ts'

/** What was taken out of one call, and what stands in its place. */
export class Vault {
  private readonly detectors: readonly Detector[]
  private readonly pseudonyms = new Map<string, string>()
  private readonly values = new Map<string, string>()
  private readonly counts = new Map<string, number>()
  /** All text of the call: what stands in it already is no pseudonym of ours. */
  private readonly everything: () => string

  constructor(detectors: readonly Detector[], everything: () => string) {
    this.detectors = detectors
    this.everything = everything
  }

  get isEmpty(): boolean {
    return this.values.size === 0
  }

  /** The text with pseudonyms; the same value has the same one wherever it stands. */
  redact(text: string): string {
    return this.detectors.reduce(
      (left, { pattern, label, isOne = () => true }) =>
        left.replaceAll(pattern, (match) =>
          isOne(match) && !this.values.has(match) ? this.pseudonymOf(match, label) : match,
        ),
      text,
    )
  }

  /** The text with its values. `write` says how a value is written where the text stands. */
  restore(text: string, write: (value: string) => string = (value) => value): string {
    let restored = text
    for (const [pseudonym, value] of this.values) restored = restored.replaceAll(pseudonym, () => write(value))
    return restored
  }

  /** How much of the end of a text may be the beginning of a pseudonym. */
  openEnd(text: string): number {
    const start = text.lastIndexOf('[')
    if (start < 0) return 0
    const end = text.slice(start)
    return [...this.values.keys()].some((pseudonym) => pseudonym.startsWith(end)) ? end.length : 0
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
