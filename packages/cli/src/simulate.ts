import {
  type RouterOptions,
  type SimulatedCaller,
  type SimulatedMove,
  type Simulation,
  openLedger,
  simulate,
} from '@signalbox/core'
import type { SimulateOptions } from './decision-arguments.ts'
import { dollars, percent } from './report-text.ts'
import { type Column, printable, table } from './table.ts'
import { bold, columns, screen } from './terminal.ts'

/** What `signalbox simulate` prints: what another policy would have made of the calls of a ledger. */
export async function simulated(
  policy: RouterOptions,
  { ledger: file, from, to, format }: SimulateOptions,
): Promise<string> {
  const ledger = openLedger({ models: {}, ledger: file })
  try {
    const simulation = await simulate(ledger, policy, { from, to })
    return format === 'json' ? JSON.stringify(simulation, null, 2) : simulationText(simulation)
  } finally {
    ledger.end()
  }
}

const mostCallers = 10

function simulationText(simulation: Simulation): string {
  const { calls, undecided, same, moved, unknown, unpriced, moves, callers, policy } = simulation
  const { costUsd, wouldCostUsd, savingsUsd } = simulation
  const saved = Number(costUsd) === 0 ? '' : ` (${percent(Number(savingsUsd) / Number(costUsd))})`
  const movers = callers.filter((caller) => caller.moved > 0)
  return [
    `${calls} calls, decided again by the policy ${policy}`,
    columns([
      ['same model', String(same)],
      ['another model', String(moved)],
      ...unknown.map(({ why, calls: count }) => ['unknown', `${count}: ${printable(why)}`] as const),
      ...(undecided > 0 ? [['not decided on', `${undecided}: a cache answered, or they were refused`] as const] : []),
    ]),
    '',
    columns([
      ['it cost', `${dollars(costUsd)} USD`],
      ['it would have cost', `${dollars(wouldCostUsd)} USD`],
      ['saved', `${dollars(savingsUsd)} USD${saved}`],
      ...unpriced.map(({ why, calls: count }) => ['cost unknown', `${count} calls: ${printable(why)}`] as const),
    ]),
    ...(moves.length > 0 ? ['', bold('What would move'), table(moveColumns, moves, screen())] : []),
    ...(movers.length > 0
      ? ['', bold('Who would move'), table(callerColumns, movers.slice(0, mostCallers), screen())]
      : []),
    ...(movers.length > mostCallers ? [`... and ${movers.length - mostCallers} more`] : []),
    '',
    'Unknown: whether the answers would have been as good, as long, or there at all. Reckoned with the same tokens, none of',
    'them from the other model’s prompt cache.',
  ].join('\n')
}

const moveColumns: readonly Column<SimulatedMove>[] = [
  { title: 'from', text: ({ from }) => printable(from), align: 'left' },
  { title: 'to', text: ({ to }) => printable(to), align: 'left' },
  { title: 'calls', text: ({ calls }) => String(calls) },
  { title: 'USD', text: ({ priced, costUsd }) => (priced > 0 ? dollars(costUsd) : 'unknown') },
  { title: 'would be USD', text: ({ priced, wouldCostUsd }) => (priced > 0 ? dollars(wouldCostUsd) : 'unknown') },
]

const callerColumns: readonly Column<SimulatedCaller>[] = [
  { title: 'caller', text: ({ caller }) => printable(caller) || '(nobody)', align: 'left' },
  { title: 'calls', text: ({ calls }) => String(calls) },
  { title: 'moved', text: ({ moved }) => String(moved) },
]
