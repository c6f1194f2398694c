import { startSimulatedProvider } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { configFile, finished } from './testing/signalbox.ts'

describe('doctor', () => {
  it('says of every provider whether it takes its key, and exits with 1 where one does not', async () => {
    const provider = await startSimulatedProvider({ apiKeys: ['sk-the-right-key'] })
    onTestFinished(() => provider.close())
    const model = { provider: 'openai-compatible', baseUrl: provider.baseUrl, model: 'gpt-4.1' }
    const right = { ...model, apiKey: 'sk-the-right-key' }
    const wrong = { ...model, apiKey: 'sk-some-wrong-key' }

    const well = await finished(['doctor', '--config', configFile({ models: { right } })])
    expect(well).toMatchObject({ code: 0, stdout: expect.stringContaining('ok') })

    const ill = await finished(['doctor', '--config', configFile({ models: { right, wrong } })])
    expect(ill).toMatchObject({ code: 1, stdout: expect.stringMatching(/wrong +fails: .*provider_auth_failed/) })
    expect(ill.stdout).toContain('1 of 2 providers')
    expect(ill.stdout).not.toContain('sk-some-wrong-key')
    expect(provider.requests.map(({ path }) => path)).toEqual(['/v1/models', '/v1/models', '/v1/models'])
  })

  it('needs a configuration', async () => {
    expect(await finished(['doctor'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('doctor needs --config'),
    })
  })
})
