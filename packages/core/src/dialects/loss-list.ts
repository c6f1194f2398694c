import type { Losses } from './translation.ts'

/** What was lost or left out, by name; each name once. */
export class LossList implements Losses {
  readonly names = new Set<string>()
  private readonly nameOf: (name: string) => string

  constructor(nameOf: (name: string) => string = (name) => name) {
    this.nameOf = nameOf
  }

  readonly lose = (name: string) => void this.names.add(this.nameOf(name))
  readonly skip = this.lose
}

/** The name of a loss in an answer: its parts are read as those of a message in a request. */
export const nameInAnswer = (name: string) => `answer.${name.replace(/^messages\[\]\./, '')}`

/** Names that are told at the most, and characters of each: they may be the caller's own. */
const mostNames = 20
const longestName = 60

/** Names of what was lost as a header tells them. */
export const namesOfLosses = (names: Iterable<string>): string =>
  [...names]
    .slice(0, mostNames)
    .map((name) => name.slice(0, longestName).replaceAll(/[^\w.[\]-]/g, '?'))
    .join(', ')
