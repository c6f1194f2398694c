/** A value as a cell takes it. */
export type CsvValue = string | number | bigint | boolean | null | undefined

/** A line of CSV (RFC 4180), its line break included. */
export function csvLine(values: readonly CsvValue[]): string {
  return `${values.map((value) => quoted(harmless(String(value ?? '')))).join(',')}\r\n`
}

/**
 * Spreadsheets run a cell that begins like a formula, some also in the wide signs of Chinese and Japanese keyboards: such
 * text gets an apostrophe in front. Numbers stay numbers.
 */
function harmless(text: string): string {
  return /^[=+\-@\t\r\n＝＋－＠]/.test(text) && !/^-\d+(?:\.\d+)?$/.test(text) ? `'${text}` : text
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
