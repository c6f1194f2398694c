import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createRouter, loadConfig } from '@signalbox/core'
import { startSimulatedProvider } from '@signalbox/testkit'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { shippedProfile } from './shipped.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-learned-'))
afterAll(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'node_modules/@signalbox'), { recursive: true })
symlinkSync(fileURLToPath(new URL('..', import.meta.url)), join(folder, 'node_modules/@signalbox/classifier'))
writeFileSync(join(folder, 'mine.json'), JSON.stringify(shippedProfile()))
writeFileSync(join(folder, 'idle.json'), JSON.stringify({ ...shippedProfile().toJSON(), enabled: false }))
writeFileSync(join(folder, 'broken.json'), '{"format":"other"}')

const provider = await startSimulatedProvider()
afterAll(() => provider.close())

const easy = (at: number) => `Say hello to number ${at}`
const hard = (at: number) =>
  `Prove lemma ${at} on integrals over $\\mathbb{R}^${at}$ in detail${', and generalise the result'.repeat(at % 19)}.`
writeFileSync(
  join(folder, 'prompts.jsonl'),
  Array.from({ length: 100 }, (_, at) => (at % 2 ? JSON.stringify({ prompt: hard(at) }) : easy(at))).join('\n'),
)

const like = { small: { like: 'gpt-4o-mini' }, large: { like: 'gpt-4o-2024-08-06' } }
let files = 0

/** A configuration file that names the package, as a user writes it. */
function configFile(strategy: object, plugin: unknown = '@signalbox/classifier'): string {
  const { baseUrl } = provider
  const model = (price: object) => ({ provider: 'openai-compatible', baseUrl, model: 'gpt-4.1', apiKey: 'any', price })
  const file = join(folder, `signalbox-${++files}.json`)
  const config = {
    models: { small: model({ input: 0.4, output: 1.6 }), large: model({ input: 2, output: 8 }) },
    routes: { auto: { models: ['small', 'large'], strategy: { use: 'learned', candidates: like, ...strategy } } },
    plugins: [plugin],
  }
  writeFileSync(file, JSON.stringify(config))
  return file
}

async function routerOf(...given: Parameters<typeof configFile>) {
  const router = createRouter(await loadConfig(configFile(...given)))
  onTestFinished(() => router.close())
  const body = (content: string) => ({ model: 'auto', messages: [{ role: 'user', content }] })
  return {
    router,
    explain: (content: string) => router.explain({ body: body(content) }),
    ask: async (content: string) => (await router.handle({ body: body(content) })).model,
  }
}

describe('the strategy "learned" in a file', () => {
  it('takes the best model whatever it costs, or the best for the money', async () => {
    const lavish = await routerOf({})
    const thrifty = await routerOf({ lambda: 1e6 })
    expect([await lavish.ask(hard(1)), await thrifty.ask(hard(1))]).toEqual(['large', 'small'])
    const { labels, candidates } = await thrifty.explain(hard(1))
    expect(labels).toMatchObject({ complexity: expect.any(String), domain: expect.any(String), task: 'maths' })
    expect(candidates[0]).toMatchObject({
      name: 'small',
      score: expect.any(Number),
      reason: expect.stringMatching(/^expected quality 0\.\d{3} at 0\.000\d+ USD, lambda 1000000$/),
    })
  })

  it('costs a call by the price of its model, unless it is told what it costs', async () => {
    const byPrice = await routerOf({ lambda: 10 })
    const [reason] = (await byPrice.explain(hard(1))).candidates.map((one) => one.reason)
    const told = await routerOf({ lambda: 10, candidates: { ...like, small: { ...like.small, costUsd: 0.5 } } })
    expect((await told.explain(hard(1))).candidates.find(({ name }) => name === 'small')!.reason).toContain('0.50 USD')
    expect(reason).not.toContain('0.50 USD')
  })

  it(
    'keeps to a target on the calls of the route, and on prompts that stand for them before',
    { timeout: 60_000 },
    async () => {
      for (const prompts of [undefined, './prompts.jsonl']) {
        const { ask } = await routerOf({ targetShare: 0.2, ...(prompts && { prompts }) })
        const taken: string[] = []
        for (let at = 0; at < 400; at++) taken.push(await ask(at % 2 ? hard(at) : easy(at)))
        const share = (models: readonly string[]) => models.filter((model) => model === 'large').length / models.length
        expect(share(taken.slice(-200))).toBeGreaterThan(0.1)
        expect(share(taken.slice(-200))).toBeLessThan(0.3)
        expect(share(taken.slice(0, 20)) < 0.5).toBe(prompts !== undefined)
      }
    },
  )

  it('takes prompts to stand for the traffic though the first caller may use one model only', async () => {
    const { router, explain } = await routerOf({ targetShare: 0.2, prompts: './prompts.jsonl' })
    await router.explain({ body: { model: 'auto', messages: [] }, identity: { models: ['small'] } })
    const { lambda } = (await explain(hard(1))).assessment as { lambda: number }
    expect(lambda).toBeGreaterThan(0)
  })

  it('takes a profile from beside the file, for the plugin and for one strategy', async () => {
    const { ask } = await routerOf(
      { profile: './mine.json' },
      { use: '@signalbox/classifier', options: { profile: './mine.json' } },
    )
    expect(await ask(hard(1))).toBe('large')
  })

  it.each([
    [{ profile: './idle.json' }, 'expected an enabled profile'],
    [{ profile: './broken.json' }, 'broken.json is no profile: a profile: expected the format'],
    [{ profile: './absent.json' }, 'absent.json is no profile: ENOENT'],
    [{ prompts: './absent.jsonl' }, 'absent.jsonl cannot be read'],
    [{ targetShare: 2 }, 'target.targetShare: expected a number from 0 to 1, got 2'],
    [{ targetShare: 0.5, minQuality: 0.5 }, 'expected one of targetShare, minQuality, maxCostUsd'],
    [{ lambda: -1 }, 'lambda: expected a number from 0, got -1'],
    [{ lamda: 1 }, 'lamda: unknown key; there are profile, lambda'],
    [{ candidates: { small: { likes: 'x' } } }, 'likes: unknown key; there are like, costUsd'],
  ])('refuses %j at start', async (strategy, message) => {
    const config = await loadConfig(configFile(strategy))
    expect(() => createRouter(config)).toThrow(message)
  })

  it('refuses bounds of complexity that are none', async () => {
    const file = configFile({}, { use: '@signalbox/classifier', options: { complexity: null } })
    await expect(loadConfig(file)).rejects.toThrow('complexity: expected { moderate, complex } from 0 to 1, got null')
  })

  it('says which plugin it comes with where that is missing', async () => {
    const file = configFile({}, { use: '@signalbox/classifier', options: { profil: 'x' } })
    await expect(loadConfig(file)).rejects.toThrow(
      'plugins[0]: The plugin "learned" has a fault:\n  profil: unknown key',
    )
    const bare = join(folder, 'bare.json')
    const routes = { auto: { models: ['a'], strategy: 'learned' } }
    writeFileSync(bare, JSON.stringify({ models: { a: { provider: 'openai' } }, routes }))
    await expect(loadConfig(bare)).rejects.toThrow(
      '"learned" with the plugin "@signalbox/classifier" among the plugins',
    )
  })
})
