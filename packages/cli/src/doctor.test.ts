import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { createRouter, openaiCompatible } from '@signalbox/core'
import { refusedPort, startSimulatedProvider } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { configFile, finished, ran } from './testing/signalbox.ts'

describe('doctor', () => {
  it('says of every provider whether it takes its key, and exits with 1 where one does not', async () => {
    const provider = await startSimulatedProvider({ apiKeys: ['sk-the-right-key'] })
    onTestFinished(() => provider.close())
    const model = { provider: 'openai-compatible', baseUrl: provider.baseUrl, model: 'gpt-4.1' }
    const right = { ...model, apiKey: 'sk-the-right-key' }
    const wrong = { ...model, apiKey: 'sk-some-wrong-key' }

    const well = await finished(['doctor', '--config', configFile({ models: { right } })])
    expect(well).toMatchObject({ code: 0, stdout: expect.stringContaining('ok') })

    const ill = await ran(['doctor', '--config', configFile({ models: { right, wrong } })])
    expect(ill).toMatchObject({ code: 1, stdout: expect.stringMatching(/wrong +fails: .*provider_auth_failed/) })
    expect(ill.stdout).toContain('1 of 2 providers')
    expect(ill.stdout).not.toContain('sk-some-wrong-key')
    expect(provider.requests.map(({ path }) => path)).toEqual(['/v1/models', '/v1/models', '/v1/models'])
  })

  it('says where a key is missing, which is no wrong one', async () => {
    const provider = await startSimulatedProvider({ apiKeys: ['sk-the-right-key'] })
    onTestFinished(() => provider.close())
    const forgotten = { provider: 'openai-compatible', baseUrl: provider.baseUrl, model: 'gpt-4.1' }
    const { stdout } = await ran(['doctor', '--config', configFile({ models: { forgotten } })])
    const said = 'The provider asks for a key, and none is configured for the model'
    expect(stdout).toContain(`forgotten  fails: ${said} (provider_auth_failed)`)
    const router = createRouter({ models: { forgotten: openaiCompatible(forgotten) } })
    onTestFinished(() => router.close())
    const refused = router.handle({ body: { model: 'forgotten', messages: [{ role: 'user', content: 'Hi' }] } })
    await expect(refused).rejects.toMatchObject({ code: 'provider_auth_failed', message: said })
  })

  it('says why a provider cannot be reached', async () => {
    const nowhere = { provider: 'openai-compatible', baseUrl: `http://127.0.0.1:${await refusedPort()}/v1` }
    const { code, stdout } = await ran(['doctor', '--config', configFile({ models: { nowhere } })])
    expect(code).toBe(1)
    expect(stdout).toMatch(/nowhere {2}fails: .* \(upstream_unreachable\): connect ECONNREFUSED 127\.0\.0\.1:\d+\n/)
  })

  it('starts no plugin, opens no ledger, and takes models with a tier', async () => {
    const provider = await startSimulatedProvider()
    onTestFinished(() => provider.close())
    const file = configFile(
      `import { appendFileSync } from 'node:fs'
      const here = (name) => new URL(name, import.meta.url)
      export default {
        models: { a: { provider: 'openai-compatible', baseUrl: '${provider.baseUrl}', model: 'gpt-4.1', apiKey: 'sk-any', limits: { tier: 'gold' } } },
        tiers: { gold: { requestsPerMinute: 10 } },
        budgets: [{ per: 'all', limitUsd: 1, window: 'day' }],
        ledger: 'unopened.db',
        plugins: [{ name: 'mark', setup: () => appendFileSync(here('set-up'), 'x'), call: (call, next) => next(call) }],
      }`,
      'ts',
    )
    expect(await ran(['doctor', '--config', file])).toMatchObject({ code: 0, stderr: '' })
    expect(readdirSync(dirname(file)).filter((name) => /unopened|set-up/.test(name))).toEqual([])
  })
})
