import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createFakeClock } from '@signalbox/testkit'
import { expect, it, onTestFinished, vi } from 'vitest'
import type { RouterOptions } from './config/options.ts'
import { createOpened } from './opened.ts'
import { createRouter } from './router.ts'

it('lets go of the last first, each whatever becomes of the others, and once', async () => {
  const opened = createOpened()
  const seen: string[] = []
  opened.add(() => seen.push('first'))
  opened.add(() => Promise.reject(new Error('it cannot')))
  opened.add(async () => seen.push('last'))
  await Promise.all([opened.letGo(), opened.letGo()])
  expect(seen).toEqual(['last', 'first'])
})

const model = { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1', apiKey: 'k' } as const
const fails = () => {
  throw new Error('no')
}

const faults: readonly (readonly [string, Partial<RouterOptions>])[] = [
  ['plugins that do not go together', { plugins: [{ name: 'a', requires: ['gone'] }] }],
  ['a plugin that cannot be set up', { plugins: [{ name: 'a', setup: fails }] }],
  [
    'a plugin of a route that cannot be set up',
    { routes: { r: { models: ['m'], plugins: [{ name: 'a', setup: fails }] } } },
  ],
  ['a file of keys that is not there', { keys: [{ file: '/nowhere/keys.json' }] }],
  [
    'a provider that cannot be connected',
    { models: { m: { provider: { name: 'p', dialect: 'openai-chat', connect: fails } } } },
  ],
]

/** Every file that a router may keep, and a clock that tells of timers that are left. */
function place() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'opened-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  const clock = createFakeClock()
  const files = {
    store: `sqlite:${path.join(folder, 'store.db')}`,
    ledger: path.join(folder, 'ledger.db'),
    cache: { file: path.join(folder, 'cache.db') },
  }
  const probed = { ...model, health: { probe: { intervalMs: 1_000 } } }
  const options: RouterOptions = { models: { m: probed }, clock, ...files }
  /** SQLite takes the files beside its own away when the last who has one open closes it; so does a ledger with its journal. */
  const open = () => fs.readdirSync(folder).filter((name) => !name.endsWith('.db'))
  return { clock, options, folder, open }
}

it.each(faults)('a router that does not start for %s leaves no file open, and no timer', async (_what, fault) => {
  const { clock, options, open } = place()
  expect(() => createRouter({ ...options, ...fault })).toThrow(/\S/)
  await vi.waitFor(() => expect(open()).toEqual([]))
  expect(clock.pendingTimers()).toBe(0)
})

it('a router that is closed leaves no file open, and no timer', async () => {
  const { clock, options, open } = place()
  const router = createRouter(options)
  expect(open()).toHaveLength(8)
  await router.close()
  expect(open()).toEqual([])
  expect(clock.pendingTimers()).toBe(0)
})

it.each(['ledger', 'store', 'cache'])('a %s that is no such file keeps no other one open', async (which) => {
  const { options, open, folder } = place()
  fs.writeFileSync(path.join(folder, `${which}.db`), 'no database, but a text that is long enough to be looked at')
  expect(() => createRouter(options)).toThrow(/database/)
  await vi.waitFor(() => expect(open()).toEqual([]))
})
