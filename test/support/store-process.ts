import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom, systemClock } from '@signalbox/core'
import { createSqliteStore } from '../../packages/core/src/store/sqlite/index.ts'
import type { Entry } from '../../packages/core/src/store/store.ts'
import {
  type Sampled,
  type Spent,
  type StoreOrder,
  type StormCall,
  type StormLimits,
  stormWindowMs,
} from './store-orders.ts'

/** The least upper bound of what one call of a storm costs. */
const leastCost = 200
const leaseMs = 20_000
const [file, processLeaseMs] = process.argv.slice(2)
const store = createSqliteStore({ file: file!, clock: systemClock, processLeaseMs: Number(processLeaseMs) })
let lastId = 0

const nextId = () => `${process.pid}/${(lastId += 1)}`
const hostNow = () => Number(process.hrtime.bigint()) / 1e6

/** Reserves so often in one turn and keeps what it gets: how often it was granted. */
async function reserve({ entries, times }: StoreOrder & { do: 'reserve' }): Promise<number> {
  const answers = Array.from({ length: times }, async () => store.reserve({ id: nextId(), entries, leaseMs }))
  return (await Promise.all(answers)).filter(({ granted }) => granted).length
}

/** Reserves and settles one after the other, giving others a turn now and then. */
async function spend({ entries, durationMs }: StoreOrder & { do: 'spend' }): Promise<Spent> {
  const started = process.cpuUsage()
  const startedAt = performance.now()
  const used = entries.map(({ amount, onExpiry }) => (onExpiry === 'release' ? 0 : amount))
  let times = 0
  for (; performance.now() < startedAt + durationMs; times += 1) {
    const id = nextId()
    const answer = store.reserve({ id, entries, leaseMs })
    const { granted } = 'then' in answer ? await answer : answer
    if (!granted) throw new Error('There was no room')
    store.settle(id, used)
    if (times % 100 === 0) await sleep(0)
  }
  const { user, system } = process.cpuUsage(started)
  return { times, cpuMs: (user + system) / 1_000, durationMs: performance.now() - startedAt }
}

/** Calls until there was no money for half a second. What a call costs is logged before it is settled: it was billed. */
async function storm({ limits, callers, seed, log }: StoreOrder & { do: 'storm' }): Promise<void> {
  const random = seededRandom(seed)
  let hadMoneyAt = performance.now()

  async function call() {
    const id = nextId()
    const most = leastCost + Math.ceil(random() * 800)
    const askedAt = hostNow()
    const answer = await store.reserve({ id, entries: stormEntries(limits, most), leaseMs })
    const grantedAt = hostNow()
    if (answer.granted || answer.key !== 'money') hadMoneyAt = performance.now()
    if (!answer.granted) return sleep(1 + random() * 9)
    const isVoid = random() < 0.1
    const cost = isVoid ? 0 : Math.ceil(most * (0.5 + random() / 2))
    appendFileSync(log, `${JSON.stringify({ askedAt, grantedAt, cost } satisfies StormCall)}\n`)
    await sleep(random() * 20)
    if (isVoid) store.release(id)
    else store.settle(id, [cost, 1, 0])
  }

  async function callOnAndOn() {
    while (performance.now() < hadMoneyAt + 500) await call()
  }

  await Promise.all(Array.from({ length: callers }, callOnAndOn))
}

const stormEntries = ({ money, requests, concurrency }: StormLimits, amount: number): Entry[] => [
  { key: 'money', limit: money, amount },
  { key: 'requests', limit: requests, amount: 1, windowMs: stormWindowMs },
  { key: 'concurrency', limit: concurrency, amount: 1, onExpiry: 'release' },
]

/** Looks again and again until the store is closed. */
function sample({ keys }: StoreOrder & { do: 'sample' }): void {
  for (const [index, { posted, held }] of store.read(keys).entries()) {
    sampled.most[index] = Math.max(sampled.most[index] ?? 0, Number(posted) + Number(held))
  }
  sampled.looked += 1
  sampling = setTimeout(sample, 1, { do: 'sample', keys })
}

const sampled: Sampled = { looked: 0, most: [] }
let sampling: NodeJS.Timeout | undefined

function obey(order: StoreOrder): unknown {
  switch (order.do) {
    case 'reserve':
      return reserve(order)
    case 'spend':
      return spend(order)
    case 'storm':
      return storm(order)
    case 'sample':
      return sample(order)
    case 'close':
      clearTimeout(sampling)
      store.close()
      return sampled
  }
}

async function carryOut(order: StoreOrder) {
  process.send!({ answer: await obey(order) })
  if (order.do === 'close') process.disconnect()
}

process.on('message', (order: StoreOrder) => void carryOut(order))
process.on('disconnect', () => process.exit())
process.send!({ answer: 'ready' })
