import {
  type Figure,
  bestPeer,
  busyP99Added,
  cpuPerChunk,
  cpuPerFailover,
  cpuPerPacedChunk,
  cpuPerRequest,
  firstChunkAdded,
  kilobytesPerStream,
  openStreams,
  p50Added,
  p99Added,
  ratioOf,
  requestsPerSecond,
  valueOf,
  valuesOf,
} from './figures.ts'
import { processors } from './machine.ts'
import type { Results } from './measure.ts'
import { median, spreadPercent } from './median.ts'
import { isPinned } from './processes.ts'
import type { Phase, Row } from './rows.ts'
import { isHeld, targets } from './targets.ts'

/** The results as markdown. */
export function report(results: Results): string {
  const sections = [
    machineOf(results),
    targetTable(results),
    section(results, 'Requests, 16 connections', ['busy'], requestTable),
    section(results, 'One request at a time', ['single'], latencyTable),
    section(results, 'Streams', ['first-chunk', 'chunks', 'hold'], streamTable),
    section(results, 'Failover', ['failover'], failoverTable),
    hooksLine(results),
    ledgerLine(results),
    section(results, 'Node 22', ['busy'], olderNodeTable),
    [...results.faults].map(([row, fault]) => `${row} was not measured: ${fault}`).join('\n'),
  ]
  return sections.filter((text) => text !== '').join('\n\n')
}

function section(
  results: Results,
  title: string,
  needed: readonly Phase[],
  write: (results: Results) => string,
): string {
  const text = needed.some((phase) => results.options.phases.includes(phase)) ? write(results) : ''
  return text && `### ${title}\n\n${text}`
}

function machineOf({ options, slices }: Results): string {
  const date = new Date().toISOString().slice(0, 10)
  const load = options.useWrk ? 'wrk' : 'own load generator'
  const others = slices.noisy === 0 ? 'none' : `${slices.noisy}`
  return (
    `Measured ${date}: ${processors} cores, Node ${[process.version, ...options.nodeParameters].join(' ')}, Linux, loopback, plain HTTP; ${load}, ` +
    `${isPinned ? 'load and upstream on one core, the row on the other' : 'no pinning'}; ` +
    `${options.rounds} interleaved rounds, slices of ${options.seconds} s` +
    `${options.leadInSeconds > 0 ? `, each after ${options.leadInSeconds} s of the same that is not counted` : ''}. ` +
    `Others took more than ${options.quietShare * 100} % of the machine in ${others} of ${slices.total} slices.`
  )
}

function targetTable(results: Results): string {
  const own = results.rows.filter(({ kind, mount }) => kind === 'ours' && mount)
  if (own.length === 0) return ''
  const lines = targets.map((target) => [
    target.what,
    [...new Set(own.map((row) => `≤ ${target.limit(row)}`))].join(', '),
    ...own.map((row) => {
      const held = isHeld(target, row, results)
      return held === undefined ? '-' : `${number(target.ratio(results, row.id), 2)} ${held ? 'held' : '**not held**'}`
    }),
  ])
  return `### Targets\n\n${table(['ratio', 'target', ...own.map(({ id }) => id)], lines)}`
}

const isOfThisNode = ({ node }: Row) => node === undefined

function requestTable(results: Results): string {
  const best = bestPeer(results)
  const over = (row: string, other: string | undefined) =>
    other === undefined ? '-' : number(ratioOf(results, [row, cpuPerRequest], [other, cpuPerRequest]), 3)
  return table(
    [
      'row',
      'requests/s',
      '± %',
      'CPU µs/request',
      '± %',
      'CPU ÷ pipe',
      `CPU ÷ ${best ?? 'best peer'}`,
      'CPU ÷ Portkey',
      'p99 added µs',
      'failed',
    ],
    results.rows
      .filter(isOfThisNode)
      .map((row) => [
        labelOf(row),
        show(results, row, requestsPerSecond, 0),
        spread(results, row, requestsPerSecond),
        show(results, row, cpuPerRequest, 1),
        spread(results, row, cpuPerRequest),
        over(row.id, 'pipe'),
        over(row.id, best),
        over(row.id, 'portkey'),
        show(results, row, busyP99Added, 0),
        number(failures(results, row), 0),
      ]),
  )
}

function latencyTable(results: Results): string {
  return table(
    ['row', 'p50 added µs', 'p99 added µs', 'p50 ÷ pipe', 'p99 ÷ pipe'],
    measured(results, 'single').map((row) => [
      labelOf(row),
      show(results, row, p50Added, 0),
      show(results, row, p99Added, 0),
      overPipe(results, row, p50Added),
      overPipe(results, row, p99Added),
    ]),
  )
}

function streamTable(results: Results): string {
  return table(
    [
      'row',
      'first chunk added µs',
      '÷ pipe',
      'CPU µs/chunk',
      '÷ pipe',
      'KB per open stream',
      '÷ pipe',
      'CPU µs/paced chunk',
      '÷ pipe',
      'held open',
    ],
    measured(results, 'chunks').map((row) => [
      labelOf(row),
      ...[firstChunkAdded, cpuPerChunk, kilobytesPerStream, cpuPerPacedChunk].flatMap((figure) => [
        show(results, row, figure, figure === cpuPerChunk ? 2 : 1),
        overPipe(results, row, figure),
      ]),
      show(results, row, openStreams, 0),
    ]),
  )
}

function failoverTable(results: Results): string {
  return table(
    ['row', 'CPU µs/request', 'with a failed attempt', 'ratio'],
    results.rows
      .filter(({ phases }) => phases.includes('failover'))
      .map((row) => [
        labelOf(row),
        show(results, row, cpuPerRequest, 1),
        show(results, row, cpuPerFailover, 1),
        number(ratioOf(results, [row.id, cpuPerFailover], [row.id, cpuPerRequest]), 2),
      ]),
  )
}

function hooksLine({ hooked }: Results): string {
  if (hooked.length === 0) return ''
  const of = (name: 'handedOn' | 'async') => number(median(hooked.map((one) => one[name])), 2)
  return `### Hooks\n\nEight plugins that do nothing add ${of('handedOn')} µs of processor time to a call in process, ${of('async')} µs where they are async functions.`
}

function ledgerLine({ ledgered }: Results): string {
  if (ledgered.length === 0) return ''
  const [perSecond, around] = [number(median(ledgered), 0), number(spreadPercent(ledgered), 0)]
  return `### The ledger\n\nOne process writes ${perSecond} calls a second into its ledger (± ${around} %), all of them safe on disk.`
}

function olderNodeTable(results: Results): string {
  const older = results.rows.filter((row) => !isOfThisNode(row))
  if (older.length === 0) return ''
  return table(
    ['row', 'CPU µs/request', '÷ pipe on Node 22', '÷ itself on Node 24'],
    older.map((row) => [
      row.label,
      show(results, row, cpuPerRequest, 1),
      number(ratioOf(results, [row.id, cpuPerRequest], ['pipe-node22', cpuPerRequest]), 2),
      number(ratioOf(results, [row.id, cpuPerRequest], [row.server!, cpuPerRequest]), 2),
    ]),
  )
}

const measured = (results: Results, phase: Phase) =>
  results.rows.filter((row) => row.kind !== 'limit' && row.phases.includes(phase))
const labelOf = ({ id, label }: Row) => `${id}: ${label}`
const show = (results: Results, { id }: Row, figure: Figure, digits: number) =>
  number(valueOf(results, id, figure), digits)
const spread = (results: Results, { id }: Row, figure: Figure) =>
  number(spreadPercent([...valuesOf(results, id, figure).values()]), 0)
const overPipe = (results: Results, { id }: Row, figure: Figure) =>
  number(ratioOf(results, [id, figure], ['pipe', figure]), 2)

function failures(results: Results, { id }: Row): number {
  const samples = [...(results.samples.get(id)?.values() ?? [])].flatMap((rounds) => [...rounds.values()])
  return samples.reduce((sum, { failed = 0 }) => sum + failed, 0)
}

const number = (value: number | undefined, digits: number) => (value === undefined ? '-' : value.toFixed(digits))

const isText = (column: number) => column === 0

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) => Math.max(cell.length, ...lines.map((line) => line[column]!.length)))
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (isText(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [row(head), rule, ...lines.map(row)].join('\n')
}
