import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Responder, completion, end, jsonError } from '@signalbox/testkit'
import { temporaryFolder } from './support/processes.ts'
import { modelAt, routerFor, upstreamThat } from './support/routers.ts'

const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
const price = { input: 1, output: 10 }
const args = ['--conditions=@signalbox/source', '--disable-warning=ExperimentalWarning']

/** A script that makes one call, and then ends as it is told to; what it printed. */
async function script(responds: Responder, { ends = '' } = {}) {
  const upstream = await upstreamThat(responds)
  const { folder, remove } = temporaryFolder()
  onTestFinished(remove)
  const budgets = [{ per: 'all', limitUsd: 1, window: 'month' }] as const
  const shared = { budgets, store: `sqlite:${join(folder, 'store.db')}`, ledger: join(folder, 'ledger.db') }
  const file = join(folder, 'script.mjs')
  writeFileSync(
    file,
    `import { createRouter, openaiCompatible } from '${import.meta.resolve('@signalbox/core')}'
    const options = { baseUrl: '${upstream.baseUrl}', model: 'm', apiKey: 'k', price: ${JSON.stringify(price)} }
    const router = createRouter({ models: { a: openaiCompatible(options) }, ...${JSON.stringify(shared)} })
    const reply = await router.handle({ body: { model: 'a', messages: [{ role: 'user', content: 'Hi' }] } })
    await reply.ended
    console.log(Buffer.from(reply.body).toString())
    ${ends}`,
  )
  const ran = promisify(execFile)(process.execPath, [...args, file], { timeout: 20_000 })
  const { stdout } = await ran.catch((error: { stdout: string }) => error)
  return { stdout, later: () => routerFor({ models: { a: modelAt(upstream, { price }) }, ...shared }) }
}

describe('a script that makes a call and does nothing else', () => {
  it('lives until that is answered which waits to be tried again, and no longer', async () => {
    let asked = 0
    const { stdout } = await script(() =>
      asked++ === 0 ? [jsonError(500, {}, { connection: 'close' }), end()] : completion({ content: 'at last' }),
    )
    expect(stdout).toContain('at last')
    expect(asked).toBe(2)
  })

  it.each([
    ['by itself', ''],
    ['at once', 'process.exit()'],
    ['with an error', 'throw new Error("of its own")'],
  ])('is charged for what it used although it closes no router: it ends %s', async (_how, ends) => {
    const { stdout, later } = await script(() => completion({ content: 'Hi', usage }), { ends })
    expect(stdout).toContain('Hi')
    const router = later()
    expect([...router.ledger!.attempts()]).toMatchObject([{ outcome: 'ok', costNanoUsd: 60_000n, estimated: false }])
    expect([...router.ledger!.calls()]).toMatchObject([{ outcome: 'ok' }])
    expect(await router.budgets()).toMatchObject([{ settledUsd: '0.00006', heldUsd: '0' }])
  })
})
