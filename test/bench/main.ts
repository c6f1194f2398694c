import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type RunOptions, hasWrk, measure } from './measure.ts'
import { fileOf } from './processes.ts'
import { report } from './report.ts'
import { type Phase, phases, rows } from './rows.ts'

/** `pnpm bench`: measures, prints, and keeps the result of a full run in README.md. See there. */

const usage = `pnpm bench [--quick] [--rows ID,...] [--phases NAME,...] [--rounds N] [--no-wrk]

rows    ${rows.map(({ id }) => id).join(', ')}
phases  ${phases.join(', ')}`

const values = readFlags()

const wantedRows = values.rows?.split(',')
const wantedPhases = values.phases?.split(',') as Phase[] | undefined
/** What `--quick` runs: all that a change to the core may make dearer but for memory, and one peer, in about a minute. */
const quickRows = ['direct', 'pipe', 'listener', 'express', 'koa', 'listener-money', 'express-undici']
const quickPhases: readonly Phase[] = ['busy', 'first-chunk', 'chunks', 'failover']
const isFull = !values.quick && !wantedRows && !wantedPhases && !values.rounds

const options: RunOptions = {
  rows: rows.filter(({ id }) => wantedRows?.includes(id) ?? (!values.quick || quickRows.includes(id))),
  phases: wantedPhases ?? (values.quick ? quickPhases : phases),
  rounds: Number(values.rounds ?? (values.quick ? 2 : 8)),
  seconds: 1,
  leadInSeconds: values.quick ? 0 : 1,
  warmUpRequests: values.quick ? 10_000 : 30_000,
  longestWarmUpMs: values.quick ? 4_000 : 15_000,
  openStreams: 500,
  holdChunks: 16,
  useWrk: hasWrk && !values['no-wrk'],
  quietShare: 0.06,
  repeatSeconds: values.quick ? 0 : 60,
  // Rows stand still while the others have their turn, and V8 throws away what it compiled in a process at rest.
  nodeParameters: ['--no-memory-reducer'],
  say: (line) => console.error(line),
}

const text = report(await measure(options))
console.log(text)
if (isFull) keep(text)
process.exit()

/** What is asked for; `--help`, and what is wrong, end the program. */
function readFlags() {
  try {
    const { values: given } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        quick: { type: 'boolean', default: false },
        rows: { type: 'string' },
        phases: { type: 'string' },
        rounds: { type: 'string' },
        'no-wrk': { type: 'boolean', default: false },
      },
    })
    refuseUnknown(
      '--rows',
      given.rows,
      rows.map(({ id }) => id),
    )
    refuseUnknown('--phases', given.phases, phases)
    if (given.rounds !== undefined && !/^[1-9]\d*$/.test(given.rounds))
      throw new Error(`--rounds: expected a whole number above 0, got "${given.rounds}"`)
    if (!given.help) return given
    console.log(usage)
    process.exit(0)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    process.exit(2)
  }
}

function refuseUnknown(flag: string, given: string | undefined, known: readonly string[]): void {
  const unknown = given?.split(',').find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`${flag}: expected some of ${known.join(', ')}, got "${unknown}"`)
}

/** Puts the result between the marks in the README. */
function keep(result: string): void {
  const file = fileOf('README.md')
  const marks = /(<!-- results -->)[^]*(<!-- end of results -->)/
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(marks, (_all, open, close) => `${open}\n\n${result}\n\n${close}`),
  )
}
