/**
 * Whether the place of a ledger, or of a store behind its `sqlite:`, is a file. What is nearly `memory` is none: it would be
 * kept in a file by that name, or by each process for itself, without a word.
 */
export const isSqliteFile = (place: string): boolean =>
  !/^sqlite:|^[a-z][a-z\d+.-]+:\/\/|^\s*:?memory:?\s*$/i.test(place)
