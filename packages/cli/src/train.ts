import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { styleText } from 'node:util'
import type { Row } from '@signalbox/classifier'
import { fail, print, tell } from './terminal.ts'

/** Options of `signalbox train`. */
export interface TrainOptions {
  readonly kind: 'train'
  readonly data: string
  readonly out: string
}

/**
 * Trains a profile from a file of results, one JSON object a line, prints what it came to, and writes it. True where the
 * profile may choose models; one that may not is written too, and refused by whoever is asked to use it.
 */
export async function train({ data, out }: TrainOptions): Promise<boolean> {
  const rows = await readRows(data)
  if (!rows) return false
  const { reportText, trainProfile } = await import('@signalbox/classifier')
  const profile = trained(() => trainProfile(rows, { onProgress: progress }), data)
  if (!profile) return false
  const text = JSON.stringify(profile)
  await writeFile(out, `${text}\n`)
  if (profile.report) print(reportText(profile.report))
  tell(`${out}: ${profile.models.length} models, ${profile.domains.length} domains, ${text.length} bytes`)
  if (!profile.enabled) fail(`${out} is not enabled: no strategy will take it`)
  return profile.enabled
}

/** The rows of a file; undefined where it can't be read, which is told. */
async function readRows(file: string): Promise<Row[] | undefined> {
  const rows: Row[] = []
  let number = 0
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      number++
      if (line.trim() !== '') rows.push(JSON.parse(line) as Row)
    }
    return rows
  } catch (error) {
    fail(number > 0 ? `${file}, line ${number}: ${(error as Error).message}` : (error as Error).message)
    return undefined
  }
}

/** What is wrong with the rows is told; all else is a fault of ours. */
function trained<T>(make: () => T, file: string): T | undefined {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof TypeError) || !error.message.startsWith('rows')) throw error
    fail(`${file}: ${error.message}`)
    return undefined
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
