import { closeSync, openSync, readSync, statSync } from 'node:fs'
import {
  type Decision,
  type RecordedCall,
  type RequestFacts,
  type RouterOptions,
  SignalboxError,
  createRouter,
  offline,
  openLedger,
} from '@signalbox/core'
import { type JsonLine, jsonLines } from './json-lines.ts'
import { printable } from './table.ts'
import { columns, print } from './terminal.ts'

/** Differences that are printed; the rest is counted. */
const mostShown = 20

/** Makes every decision of a log or ledger again, and prints what is not the same. True where all of them are. */
export async function replay(config: RouterOptions, log: string): Promise<boolean> {
  const router = createRouter(offline(config))
  const counts = { same: 0, different: 0, unknown: 0, undecided: 0 }
  const whys = new Map<string, number>()
  let others = 0
  try {
    for await (const call of recordedCalls(log)) {
      const again = await router.replay(call)
      counts[again.outcome]++
      if (policyOf(call) !== router.policy && again.outcome !== 'undecided') others++
      if (again.outcome === 'unknown') whys.set(again.why, (whys.get(again.why) ?? 0) + 1)
      if (again.outcome === 'different' && counts.different <= mostShown)
        print([printable(call.callId), `  was ${printable(again.was)}`, `  is  ${printable(again.is)}`].join('\n'))
    }
  } finally {
    await router.close()
  }
  if (counts.different > mostShown) print(`... and ${counts.different - mostShown} more`)
  print(
    [
      `${counts.same + counts.different + counts.unknown} decisions: ${counts.different} differences`,
      columns([
        ['same', String(counts.same)],
        ['different', String(counts.different)],
        ...[...whys].map(([why, calls]) => ['unknown', `${calls}: ${printable(why)}`] as const),
        ...(counts.undecided > 0
          ? [['undecided', `${counts.undecided}: a cache answered, or nothing was decided`] as const]
          : []),
        ...(others > 0 ? [['policy', `${others} were decided by another policy than ${router.policy}`] as const] : []),
      ]),
    ].join('\n'),
  )
  return counts.different === 0 && counts.unknown === 0
}

const policyOf = ({ decision }: RecordedCall) => (decision as { policy?: unknown }).policy

/** The calls of a ledger's file, or of a file with one as JSON on each line. */
async function* recordedCalls(file: string): AsyncGenerator<RecordedCall> {
  if (!isDatabase(file)) return yield* callsOfLines(file)
  const ledger = openLedger({ models: {}, ledger: file })
  try {
    yield* ledger.calls()
  } finally {
    ledger.end()
  }
}

const databaseMark = 'SQLite format 3\0'

function isDatabase(file: string): boolean {
  const start = Buffer.alloc(databaseMark.length)
  try {
    // What comes through a pipe can be read once.
    if (!statSync(file).isFile()) return false
    const opened = openSync(file, 'r')
    readSync(opened, start, 0, start.length, 0)
    closeSync(opened)
  } catch (cause) {
    throw new SignalboxError('invalid_config', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  return start.toString('latin1') === databaseMark
}

async function* callsOfLines(file: string): AsyncGenerator<RecordedCall> {
  for await (const line of jsonLines(file)) yield callOfLine(line)
}

function callOfLine({ value, where }: JsonLine): RecordedCall {
  const { callId, time, identity, route, decision } = (value ?? {}) as Partial<RecordedCall>
  const isWhole =
    typeof callId === 'string' &&
    typeof time === 'number' &&
    typeof route === 'string' &&
    isObject(identity) &&
    isObject(decision) &&
    isDecision(decision)
  if (isWhole) return { callId, time, identity, route, decision }
  const expected = 'expected a recorded call: { "callId", "time", "identity", "route", "decision" }'
  throw new SignalboxError('invalid_config', `${where}: ${expected}, got ${JSON.stringify(value).slice(0, 60)}`)
}

/** Whether what stands in a decision is what a router writes. Something may be missing: nothing may have been decided. */
function isDecision({ facts, candidates = [], passedOver = [] }: { [Field in keyof Decision]?: unknown }): boolean {
  const looks = [candidates, passedOver].every((list) => Array.isArray(list) && list.every(isObject))
  return looks && (facts === undefined || (isObject(facts) && areFacts(facts)))
}

const areFacts = ({ route, tools, modality }: { [Field in keyof RequestFacts]?: unknown }) =>
  typeof route === 'string' && isCountOfTools(tools) && Array.isArray(modality)

/** No request that fits into a body brings more. */
const mostTools = 1_000_000

const isCountOfTools = (tools: unknown) =>
  Number.isSafeInteger(tools) && (tools as number) >= 0 && (tools as number) <= mostTools

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
