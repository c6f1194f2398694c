import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LedgerAttempt, createSqliteLedger, seededRandom, systemClock } from '@signalbox/core'
import { createBudgets } from '../../packages/core/src/money/budget.ts'
import { createSqliteStore } from '../../packages/core/src/store/sqlite/index.ts'
import { type BillingPrice, type RouterOrder, billingPrice, stormBudgets } from './billing-orders.ts'
import { type Served, startBillingUpstream } from './billing-upstream.ts'
import { type OrderedProcess, bundleRouterProcess, startRouterProcess, temporaryFolder } from './processes.ts'

/** A process over a router. */
interface RouterProcess extends OrderedProcess<RouterOrder> {
  /** The calls of which it was told that they are safe in the ledger. */
  acknowledged(): string[]
}

/** Where the routers of several processes stand: one upstream, one store, one ledger. */
export async function createPlace(limitUsd: number, price: BillingPrice = billingPrice) {
  const { folder, remove } = temporaryFolder()
  const upstream = await startBillingUpstream()
  const bundle = await bundleRouterProcess(folder)
  const storeFile = join(folder, 'store.db')
  const ledger = join(folder, 'ledger.db')
  const store = `sqlite:${storeFile}`
  const started: RouterProcess[] = []
  let files = 0

  async function start(): Promise<RouterProcess> {
    const acknowledged = join(folder, `acknowledged-${(files += 1)}`)
    writeFileSync(acknowledged, '')
    const { baseUrl } = upstream
    const told = await startRouterProcess(bundle, { baseUrl, store, ledger, limitUsd, price, acknowledged })
    const one = { ...told, acknowledged: () => linesOf(acknowledged) }
    started.push(one)
    return one
  }

  return {
    upstream,
    storeFile,
    start,
    /** The calls of which any process was told that they are safe in the ledger. */
    acknowledged: () => started.flatMap((one) => one.acknowledged()),
    /** Every attempt in the ledger, those of the dead included. */
    async attempts(): Promise<LedgerAttempt[]> {
      const book = createSqliteLedger({ file: ledger, clock: systemClock })
      const rows = [...book.attempts()]
      await book.end()
      return rows
    },
    close() {
      for (const one of started) void one.kill()
      upstream.close()
      remove()
    },
  }
}

/** The whole lines of a file. */
const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n').slice(0, -1)

/** What a budget counted, in nano-USD. */
interface Counted {
  readonly settled: number
  readonly held: number
}

/** Looks at the budgets of a storm as one more process would. */
function createSampler(file: string, limitUsd: number) {
  const store = createSqliteStore({ file, clock: systemClock })
  const budgets = createBudgets(stormBudgets(limitUsd), store, systemClock)
  let timer: NodeJS.Timeout | undefined
  let looked = 0
  let most = 0

  function read(): readonly Counted[] {
    const readings = budgets.read(budgets.accountsOf({ user: 'u' }))
    if ('then' in readings) throw new TypeError('A SQLite store answers at once')
    return readings.map(({ settledNanoUsd, heldNanoUsd }) => ({
      settled: Number(settledNanoUsd),
      held: Number(heldNanoUsd),
    }))
  }

  function sample() {
    most = Math.max(most, ...read().map(({ settled, held }) => settled + held))
    looked += 1
    timer = setTimeout(sample, 3)
  }

  sample()
  return {
    read,
    /** How often it looked, and the most that was ever settled and held. */
    sampled: () => ({ looked, most }),
    close() {
      clearTimeout(timer)
      store.close()
    },
  }
}

export interface MoneyStormOptions {
  readonly processes: number
  readonly callers: number
  readonly limitUsd: number
  /** How many processes are killed while they call; another takes the place of each. */
  readonly kills: number
  readonly seed: number
}

/** What came of a storm, in nano-USD. */
export interface MoneyStorm {
  readonly realCost: number
  readonly served: ReadonlyMap<string, Served>
  readonly attempts: readonly LedgerAttempt[]
  readonly sampled: { readonly looked: number; readonly most: number }
  /** What the budgets count once the leases of the dead have ended. */
  readonly left: readonly Counted[]
  readonly killed: number
}

/** How long a dead process's lease lasts, and then some. */
const leaseEndsMs = 10_500

/** Lets processes spend one budget until nothing is left, while some are killed and one looks on. */
export async function runMoneyStorm(options: MoneyStormOptions): Promise<MoneyStorm> {
  const { processes, callers, limitUsd, kills, seed } = options
  const random = seededRandom(seed)
  const place = await createPlace(limitUsd)
  let chosen = 0
  let killed = 0

  /** Storms in one process, or in the next when it is killed. */
  async function stormInOne(): Promise<void> {
    const one = await place.start()
    const over = one.tell({ do: 'storm', callers, seed: Math.floor(random() * 2 ** 32), mixed: true })
    const isToDie = chosen < kills && (chosen += 1) > 0
    const isKilled =
      isToDie && (await Promise.race([over.then(() => false), sleep(300 + random() * 1_500).then(() => true)]))
    if (!isKilled) return over.then(() => one.tell({ do: 'close' }))
    await one.kill()
    killed += 1
    await over.catch(() => {})
    return stormInOne()
  }

  try {
    await (await place.start()).tell({ do: 'close' })
    const sampler = createSampler(place.storeFile, limitUsd)
    await Promise.all(Array.from({ length: processes }, stormInOne))
    await sleep(kills > 0 ? leaseEndsMs : 0)
    const left = sampler.read()
    const sampled = sampler.sampled()
    sampler.close()
    const { upstream, attempts } = place
    return {
      realCost: upstream.costNanoUsd(),
      served: upstream.served,
      attempts: await attempts(),
      sampled,
      left,
      killed,
    }
  } finally {
    place.close()
  }
}
