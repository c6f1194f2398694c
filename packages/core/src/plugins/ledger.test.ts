import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { createFakeClock } from '@signalbox/testkit'
import { SignalboxError } from '../errors.ts'
import type { LedgerIntent } from '../ledger/types.ts'
import type { Plugin } from '../plugin.ts'
import type { Provider } from '../providers/provider.ts'
import { createRouter } from '../router.ts'

const silent: Provider = {
  name: 'silent',
  dialect: 'openai-chat',
  connect: () => ({ domain: 'd', send: () => new Promise(() => undefined) }),
}

/** Lets others begin, before an attempt is written down or after it. */
const slow = (stage: 'limiter' | 'meter'): Plugin => ({
  name: `slow at ${stage}`,
  attempt: { stage, run: (attempt, next) => Promise.resolve().then(() => next(attempt)) },
})

it.each([
  ['a', 'b'],
  ['a', 'a'],
])('writes each of the attempts down that begin at one time (%s and %s), before they are sent', async (...names) => {
  const together: Plugin = {
    name: 'together',
    route: (_call, _ranked, attempt) => Promise.race(names.map((name) => attempt(name))),
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'intents-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  const router = createRouter({
    models: { a: { provider: silent }, b: { provider: silent } },
    routes: { auto: { models: ['a', 'b'] } },
    plugins: [together, slow('limiter'), slow('meter')],
    ledger: path.join(folder, 'ledger.db'),
  })
  onTestFinished(() => router.close({ timeoutMs: 1 }))
  router.handle({ body: { model: 'auto', messages: [] } }).catch(() => undefined)

  const journal = () => {
    const [file] = fs.readdirSync(folder).filter((name) => name.includes('-intents-'))
    const lines = fs.readFileSync(path.join(folder, file!), 'utf8').split('\n')
    return lines.filter(Boolean).map((line) => JSON.parse(line) as LedgerIntent)
  }
  await vi.waitFor(() => expect(journal()).toHaveLength(2))
  expect(journal().map(({ model, place }) => [model, place])).toEqual([
    [names[0], 0],
    [names[1], 1],
  ])
})

it('writes down what begins in the last millisecond of a month under that month, as the budget counts it', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'midnight-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  const midnight = Date.UTC(2026, 10, 1)
  const clock = createFakeClock({ wallTime: midnight - 1 })
  const late: Plugin = {
    name: 'late',
    call: (call, next) => new Promise((go) => void clock.setTimeout(() => go(next(call)), 0.6)),
  }
  const refusing: Provider = {
    name: 'refusing',
    dialect: 'openai-chat',
    connect: () => ({ domain: 'd', send: async () => Promise.reject(new SignalboxError('upstream_error', 'no')) }),
  }
  const router = createRouter({
    models: { a: { provider: refusing, price: { input: 1, output: 1 } } },
    budgets: [{ per: 'all', window: 'month', limitUsd: 1 }],
    plugins: [late],
    retry: false,
    ledger: path.join(folder, 'ledger.db'),
    clock,
  })
  onTestFinished(() => router.close())
  const reply = router.handle({ body: { model: 'a', messages: [] } })
  reply.catch(() => undefined)
  await clock.advance(0.6)
  await expect(reply).rejects.toMatchObject({ code: 'upstream_error' })

  expect(await router.budgets()).toMatchObject([{ period: '2026-10' }])
  await router.ledger!.flush()
  expect([...router.ledger!.attempts({ to: midnight })]).toHaveLength(1)
})
