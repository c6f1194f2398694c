import { Worker } from 'node:worker_threads'
import { afterAll, expect, it } from 'vitest'
import type { OpenerOptions } from './support/opener.ts'
import { temporaryFolder } from './support/processes.ts'

const { folder, remove } = temporaryFolder()
afterAll(remove)

it(
  'makes the files of a cache, a store and a ledger, however many open them at one instant',
  { timeout: 60_000 },
  async () => {
    const threads = 4
    const arrivals = new Int32Array(new SharedArrayBuffer(4))
    const workerData: OpenerOptions = { folder, rounds: 30, threads, arrivals }
    const faults: unknown[] = []
    const ended = Array.from({ length: threads }, () => {
      const worker = new Worker(new URL('support/opener.ts', import.meta.url), {
        workerData,
        execArgv: ['--conditions=@signalbox/source', '--disable-warning=ExperimentalWarning'],
      })
      worker.on('message', (fault) => faults.push(fault))
      return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject))
    })
    expect(await Promise.all(ended)).toEqual([0, 0, 0, 0])
    expect(faults).toEqual([])
  },
)
