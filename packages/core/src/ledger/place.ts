/**
 * Whether the place of a ledger is a file. What is nearly `memory` is none: it would be kept in a file by that name, or
 * nowhere, without a word.
 */
export const isLedgerFile = (place: string): boolean =>
  !/^sqlite:|^[a-z][a-z\d+.-]+:\/\/|^\s*:?memory:?\s*$/i.test(place)
