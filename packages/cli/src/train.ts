import { writeFile } from 'node:fs/promises'
import { styleText } from 'node:util'
import type { Row } from '@signalbox/classifier'
import { jsonLines } from './json-lines.ts'
import { ratedRows } from './rated-rows.ts'
import { fail, print, tell } from './terminal.ts'

/** Options of `signalbox train`. */
export interface TrainOptions {
  readonly kind: 'train'
  /** A file of results. */
  readonly data: string | undefined
  /** A ledger whose rated calls are rows too, and the file with their prompts. */
  readonly rated: { readonly ledger: string; readonly prompts: string } | undefined
  readonly out: string
}

/**
 * Trains a profile from results, one JSON object a line, and from the calls of a ledger that were rated; prints what it
 * came to, and writes it. True where the profile may choose models; one that may not is written too, and refused by
 * whoever is asked to use it.
 */
export async function train({ data, rated, out }: TrainOptions): Promise<boolean> {
  const read = await readRows({ data, rated })
  if (!read) return false
  const { reportText, trainProfile } = await import('@signalbox/classifier')
  const places = { file: data ?? rated!.ledger, lines: read.lines }
  const profile = trained(() => trainProfile(read.rows, { onProgress: progress }), places)
  if (!profile) return false
  const text = JSON.stringify(profile)
  if (profile.report) print(reportText(profile.report))
  if (!(await written(out, `${text}\n`))) return false
  tell(`${out}: ${profile.models.length} models, ${profile.domains.length} domains, ${text.length} bytes`)
  if (!profile.report)
    tell('Nothing was measured: too few prompts have scores of several models. Give some that have by --data.')
  if (!profile.enabled) fail(`${out} is not enabled: no strategy will take it`)
  return profile.enabled
}

interface ReadRows {
  readonly rows: readonly Row[]
  /** Where those stand that come first: those of a file of results. */
  readonly lines: readonly string[]
}

/** All rows; undefined where a file can't be read, which is told. */
async function readRows({ data, rated }: Pick<TrainOptions, 'data' | 'rated'>): Promise<ReadRows | undefined> {
  const rows: Row[] = []
  const lines: string[] = []
  try {
    if (data !== undefined)
      for await (const { value, where } of jsonLines(data)) {
        rows.push(value as Row)
        lines.push(where)
      }
    if (rated) {
      const found = await ratedRows(rated.ledger, rated.prompts)
      tell(
        `${rated.ledger}: ${found.rated} rated calls, ${found.rows.length} of them with a prompt in ${rated.prompts}`,
      )
      for (const row of found.rows) rows.push(row)
    }
    return { rows, lines }
  } catch (error) {
    fail((error as Error).message)
    return undefined
  }
}

/** What is wrong with the rows is told; all else is a fault of ours. */
function trained<T>(make: () => T, { file, lines }: { file: string; lines: readonly string[] }): T | undefined {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof TypeError) || !error.message.startsWith('rows')) throw error
    const [, row, what] = /^rows\[(\d+)\][.:] ?(.*)$/s.exec(error.message) ?? []
    const line = lines[Number(row)]
    fail(line === undefined ? `${file}: ${error.message}` : `${line}: ${what}`)
    return undefined
  }
}

/** Whether a file could be written; where it could not, why is told. */
async function written(file: string, text: string): Promise<boolean> {
  try {
    await writeFile(file, text)
    return true
  } catch (error) {
    fail(`${file} cannot be written: ${(error as Error).message}`)
    return false
  }
}

/** The progress stands on one line of a terminal, and on a line for each step elsewhere. */
let told = ''
function progress({ done, step }: { readonly done: number; readonly step: string }): void {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r${styleText('dim', `${Math.round(done * 100)} %  ${step}`.padEnd(40))}`)
    if (done === 1) process.stderr.write('\n')
  } else if (step !== told) tell(`${Math.round(done * 100)} %  ${step}`)
  told = step
}
