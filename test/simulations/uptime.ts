import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parseArgs } from 'node:util'
import { referenceModels } from '@signalbox/testkit'
import { type UptimeResult, chain, simulateUptime } from './uptime-simulation.ts'

/** `pnpm simulate:uptime`: what share of calls succeeds with one model, and with all of them in a chain. */

const target = 0.9999

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1000000' },
    days: { type: 'string', default: '28' },
    seed: { type: 'string', default: '1' },
  },
})
const options = { calls: Number(values.calls), days: Number(values.days), seed: Number(values.seed) }

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const heapMib: number[] = []
function measureHeap() {
  collectGarbage()
  heapMib.push(process.memoryUsage().heapUsed / 2 ** 20)
}

const alone: UptimeResult[] = []
for (const { name } of referenceModels) alone.push(await simulateUptime(name, { ...options, calls: options.calls / 5 }))
const together = await simulateUptime(chain, { ...options, onProgress: measureHeap })

const percent = (share: number) => `${(share * 100).toFixed(4)} %`
console.log(`Calls at random times over ${options.days} simulated days, seed ${options.seed}\n`)
console.table(
  [...alone, together].map((one) => ({
    route: one.route,
    uptime: one === together ? '' : percent(referenceModels.find(({ name }) => name === one.route)!.uptime),
    calls: one.calls,
    success: percent(one.success),
    failed: one.calls - one.succeeded,
    attempts: one.attempts,
    failovers: one.failovers,
    'breaker trips': one.trips,
    'p50 ms': Math.round(one.p50Ms),
    'p99 ms': Math.round(one.p99Ms),
    'wall s': (one.wallMs / 1_000).toFixed(1),
  })),
)
console.log('Failures of the chain by code:', together.failures)
console.log('Heap of the chain on its way, MiB:', heapMib.map((size) => size.toFixed(1)).join(' '))
console.log(`Target: ${percent(target)} with the chain: ${together.success >= target ? 'met' : 'MISSED'}`)
process.exitCode = together.success >= target ? 0 : 1
