import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import type { RouterOptions } from '../config/options.ts'
import { createKey } from '../keys/key-file.ts'

type Counts = Pick<RouterOptions, 'budgets' | 'limits' | 'keys' | 'store'>

/** What a process says on its standard error that makes two routers: itself, or as a worker of its cluster. */
async function told(counts: Counts, { asWorker = true, env = {} } = {}): Promise<string> {
  const program = `
    import cluster from 'node:cluster'
    import { createRouter, openai } from '${import.meta.resolve('../index.ts')}'
    if (${asWorker} && cluster.isPrimary) cluster.fork().once('exit', (code) => process.exit(code))
    else {
      const models = { a: openai('a', { apiKey: 'k', limits: { requestsPerMinute: 9 } }) }
      for (const _ of [1, 2]) await createRouter({ models, ...${JSON.stringify(counts)} }).close()
      cluster.worker?.disconnect()
    }`
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'own-counts-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'program.mjs')
  fs.writeFileSync(file, program)
  const options = { env: { ...process.env, NO_COLOR: '1', ...env } }
  const { stderr } = await promisify(execFile)(process.execPath, ['--conditions=@signalbox/source', file], options)
  return stderr
}

const budgets = [{ per: 'all', limitUsd: 1, window: 'day' }] as const

it.each([
  ['a worker of a cluster', {}],
  ['a later instance of PM2', { asWorker: false, env: { NODE_APP_INSTANCE: '1' } }],
])('says once, in %s, that it counts by itself', async (_process, how) => {
  const said = await told({ budgets }, how)
  expect(said.match(/\[SIGNALBOX_COUNTS_PER_PROCESS\] SignalboxWarning: Each process.*$/gm)).toEqual([
    expect.stringContaining('counts by itself: budgets and 1 more. "store": "sqlite:FILE" counts for all of them'),
  ])
})

it('says it of the budgets of keys, too, written out or in a file', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'own-counts-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'keys.json')
  const ownBudgets = [{ limitUsd: 1, window: 'day' }] as const
  createKey(file, { name: 'in-file', budgets: ownBudgets })

  for (const keys of [[{ name: 'written', key: 'k', budgets: ownBudgets }], [{ file }]])
    expect(await told({ keys })).toContain('counts by itself: keys and 1 more.')
  expect(await told({ keys: [{ name: 'without', key: 'k' }] })).toContain('counts by itself: models.a.limits.')
})

it.each<[string, Counts, object]>([
  ['alone', { budgets }, { asWorker: false, env: { NODE_APP_INSTANCE: '0' } }],
  ['told to', { budgets, store: 'memory' }, {}],
])('says nothing in a process that counts by itself: %s', async (_why, counts, how) => {
  expect(await told(counts, how)).not.toContain('SIGNALBOX')
})
