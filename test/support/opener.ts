import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { createRouter } from '@signalbox/core'

/** What a thread is told that opens routers at the same instants as others. */
export interface OpenerOptions {
  readonly folder: string
  readonly rounds: number
  readonly threads: number
  /** How often a thread has come to where it waits for the others. */
  readonly arrivals: Int32Array
}

const { folder, rounds, threads, arrivals } = workerData as OpenerOptions

for (let round = 0; round < rounds; round++) {
  const file = (name: string) => join(folder, `${name}-${round}.db`)
  Atomics.add(arrivals, 0, 1)
  // They meet to the microsecond, which waiting for a message would not do; one that never comes is waited for no longer.
  const giveUpAt = Date.now() + 10_000
  while (Atomics.load(arrivals, 0) < threads * (round + 1) && Date.now() < giveUpAt);
  try {
    const router = createRouter({
      models: { a: { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:9/v1' } },
      cache: { ttlMs: 1_000, file: file('cache') },
      store: `sqlite:${file('store')}`,
      ledger: file('ledger'),
    })
    await router.close()
  } catch (error) {
    parentPort!.postMessage(String(error))
  }
}
