// Three processes behind one port spend one budget: `node src/main.ts`.
import cluster, { type Address, type Worker } from 'node:cluster'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { usdOf } from '@signalbox/core'
import { startSimulatedProvider } from '@signalbox/testkit'
import { type Place, createAppRouter, limitUsd } from './router.ts'
import { spendAll } from './spend-all.ts'

const processes = 3
const callers = 20

const provider = await startSimulatedProvider({ answer: () => 'It is 391.' })
const place: Place = { baseUrl: provider.baseUrl, folder: mkdtempSync(join(tmpdir(), 'signalbox-example-')) }

try {
  const workers = startWorkers()
  const ports = await Promise.all(workers.map(portOf))
  const url = `http://127.0.0.1:${ports[0]}/v1`
  console.log(`${workers.length} processes at ${url} share a budget of ${limitUsd} USD. ${callers} callers spend it:`)

  const spent = await spendAll(url, callers)
  await Promise.all(workers.map(stop))

  for (const {
    process: { pid },
  } of workers) {
    const { answered, refused } = spent.get(String(pid)) ?? { answered: 0, refused: 0 }
    console.log(`process ${pid}: ${answered} calls answered, ${refused} refused`)
  }
  await tellOfMoney()
} finally {
  await provider.close()
  rmSync(place.folder, { recursive: true })
}

function startWorkers(): Worker[] {
  cluster.setupPrimary({ exec: fileURLToPath(new URL('worker.ts', import.meta.url)) })
  return Array.from({ length: processes }, () => cluster.fork({ PLACE: JSON.stringify(place) }))
}

/** All of them listen at port 0, which is one and the same port for the workers of a cluster. */
async function portOf(worker: Worker): Promise<number> {
  const [{ port }] = (await once(worker, 'listening')) as [Address]
  return port
}

async function stop(worker: Worker): Promise<void> {
  worker.process.kill('SIGTERM')
  await once(worker, 'exit')
}

/** What one more process finds in the files that they shared. */
async function tellOfMoney(): Promise<void> {
  const router = createAppRouter(place)
  const [budget] = await router.budgets()
  const [total] = router.ledger!.totals('model')
  await router.close()
  console.log(`the budget: ${budget!.settledUsd} USD spent of ${budget!.limitUsd}, ${budget!.heldUsd} held`)
  console.log(`the ledger: ${usdOf(total!.costNanoUsd)} USD for ${total!.calls} calls`)
}
