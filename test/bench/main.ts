import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type RunOptions, hasWrk, measure } from './measure.ts'
import { fileOf } from './processes.ts'
import { report } from './report.ts'
import { type Phase, phases, rows } from './rows.ts'

/** `pnpm bench`: measures, prints, and keeps the result of a full run in README.md. See there. */

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rows: { type: 'string' },
    phases: { type: 'string' },
    rounds: { type: 'string' },
    'no-wrk': { type: 'boolean', default: false },
  },
})

const wantedRows = values.rows?.split(',')
const wantedPhases = values.phases?.split(',') as Phase[] | undefined
const isFull = !values.quick && !wantedRows && !wantedPhases && !values.rounds

const options: RunOptions = {
  rows: rows.filter(({ id, heavy }) => wantedRows?.includes(id) ?? !(values.quick && heavy)),
  phases: wantedPhases ?? phases.filter((phase) => !(values.quick && phase === 'single')),
  rounds: Number(values.rounds ?? (values.quick ? 2 : 8)),
  seconds: 1,
  warmUpRequests: values.quick ? 10_000 : 30_000,
  longestWarmUpMs: values.quick ? 4_000 : 15_000,
  openStreams: 500,
  holdChunks: 16,
  useWrk: hasWrk && !values['no-wrk'],
  quietShare: 0.06,
  repeatSeconds: values.quick ? 0 : 60,
  nodeParameters: [],
  say: (line) => console.error(line),
}

const text = report(await measure(options))
console.log(text)
if (isFull) keep(text)
process.exit()

/** Puts the result between the marks in the README. */
function keep(result: string): void {
  const file = fileOf('README.md')
  const marks = /(<!-- results -->)[^]*(<!-- end of results -->)/
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(marks, (_all, open, close) => `${open}\n\n${result}\n\n${close}`),
  )
}
