import { request } from 'node:http'
import { type SimulatedProvider, startSimulatedProvider } from '@signalbox/testkit'
import OpenAI, { APIError } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configFile, configFor, served } from './testing/signalbox.ts'

const providerKey = 'sk-very-secret-key-of-the-provider'
const env = { PROVIDER_KEY: providerKey }
const prompt = 'a-prompt-that-nobody-may-log'
const chat = { model: 'auto', messages: [{ role: 'user' as const, content: prompt }] }

let provider: SimulatedProvider
beforeAll(async () => {
  provider = await startSimulatedProvider({ apiKeys: [providerKey] })
})
afterAll(() => provider.close())

const clientOf = (url: string) => new OpenAI({ baseURL: url, apiKey: 'sk-of-the-caller', maxRetries: 0 })

const yaml = (baseUrl: string) => `
version: 1
models:
  fast:
    provider: openai-compatible
    baseUrl: ${baseUrl}
    model: gpt-4.1
    apiKey: $PROVIDER_KEY
routes:
  auto: { models: [fast] }
`

const typescript = (baseUrl: string) => `
interface Model { provider: 'openai-compatible', baseUrl: string, model: string, apiKey: string }
const fast: Model = { provider: 'openai-compatible', baseUrl: '${baseUrl}', model: 'gpt-4.1', apiKey: '$PROVIDER_KEY' }
export default { models: { fast }, routes: { auto: { models: ['fast'] } } }
`

describe.each([
  ['json', (baseUrl: string) => JSON.stringify(configFor(baseUrl))],
  ['yaml', yaml],
  ['ts', typescript],
])('a configuration in .%s', (extension, text) => {
  it('serves the official client, plain and streamed', async () => {
    const { url, ...running } = await served(configFile(text(provider.baseUrl), extension), [], env)
    const client = clientOf(url)
    const plain = await client.chat.completions.create(chat)
    expect(plain.choices[0]?.message.content).toBeTruthy()
    const stream = await client.chat.completions.create({ ...chat, stream: true })
    let streamed = ''
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? ''
    expect(streamed).not.toBe('')
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['auto', 'fast'])
    running.signal('SIGINT')
    expect(await running.exited).toBe(0)
  })
})

describe('the log', () => {
  it('has one line for each call, in the shape of pino, without prompt, answer or secret', async () => {
    const { url, ...running } = await served(configFile(configFor(provider.baseUrl)), [], env)
    const client = clientOf(url)
    const answer = await client.chat.completions.create(chat)
    provider.fail('gpt-4.1', { status: 401, body: { error: { message: `Bad key ${providerKey}` } } })
    await expect(client.chat.completions.create(chat)).rejects.toThrow(APIError)
    provider.heal()
    await running.logged('call failed')
    const { stdout, stderr } = running.output()
    const lines = running.log()
    expect(lines.map(({ level, msg }) => ({ level, msg }))).toEqual([
      { level: 30, msg: 'listening' },
      { level: 30, msg: 'call answered' },
      { level: 50, msg: expect.any(String) },
      { level: 30, msg: 'call failed' },
    ])
    expect(lines[1]).toEqual({
      level: 30,
      time: expect.closeTo(Date.now(), -5),
      id: expect.any(String),
      callKey: expect.any(String),
      route: 'auto',
      model: 'fast',
      outcome: 'ok',
      attempts: 1,
      failovers: 0,
      durationMs: expect.any(Number),
      firstTokenMs: expect.any(Number),
      ended: 'complete',
      usage: expect.objectContaining({ outputTokens: answer.usage?.completion_tokens }),
      estimated: false,
      msg: 'call answered',
    })
    expect(lines[2]).toMatchObject({ kind: 'provider_auth', model: 'fast' })
    expect(lines[3]).toMatchObject({ route: 'auto', outcome: 'provider_auth_failed', attempts: 1 })
    for (const secret of [providerKey, 'sk-of-the-caller', prompt, answer.choices[0]?.message.content])
      expect(stdout + stderr).not.toContain(secret)
  })

  it('tells more at debug: every request, whatever it was for, without its query', async () => {
    const { url, ...running } = await served(configFile(configFor(provider.baseUrl)), ['--log-level', 'debug'], env)
    expect((await fetch(`${url}/health?key=sk-in-the-query`)).status).toBe(200)
    await running.logged('request answered')
    expect(running.log().at(-1)).toMatchObject({ level: 20, method: 'GET', path: '/v1/health', status: 200 })
    expect(running.output().stdout).not.toContain('sk-in-the-query')
  })

  it('tells at start of a key that its provider does not take, and shows none', async () => {
    const wrong = 'sk-wrong-key-of-the-provider'
    const { url, ...running } = await served(configFile(configFor(provider.baseUrl)), [], { PROVIDER_KEY: wrong })
    await running.logged('a provider cannot be used')
    expect(running.log().at(-1)).toMatchObject({
      level: 40,
      models: ['fast'],
      code: 'provider_auth_failed',
      reason: expect.stringContaining('refused the key'),
    })
    expect(running.output().stdout).not.toContain(wrong)
    expect((await fetch(`${url}/health`)).status).toBe(200)
  })

  it('is silent when told to, and the address is printed all the same', async () => {
    const { url, ...running } = await served(configFile(configFor(provider.baseUrl)), ['--log-level', 'silent'], env)
    await clientOf(url).chat.completions.create(chat)
    expect(running.output()).toEqual({ stdout: '', stderr: `Signalbox listens at ${url}\n` })
  })
})

describe('the server', () => {
  it('answers an unknown path with 404 in the shape of an error', async () => {
    const { url } = await served(configFile(configFor(provider.baseUrl)), [], env)
    const answer = await fetch(new URL('/nowhere', url))
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ error: { code: 'not_found', type: 'invalid_request_error' } })
  })

  it('keeps connections open for longer than load balancers do', async () => {
    const { url } = await served(configFile(configFor(provider.baseUrl)), [], env)
    const headers = await new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url)
      const options = { hostname, port, path: '/v1/health', headers: { connection: 'keep-alive' } }
      request(options, (res) => resolve(res.resume().headers))
        .once('error', reject)
        .end()
    })
    expect(headers).toMatchObject({ connection: 'keep-alive', 'keep-alive': 'timeout=620' })
  })

  it('warns where other machines can reach it', async () => {
    const config = configFile(configFor(provider.baseUrl))
    const { url, ...running } = await served(config, ['--host', '0.0.0.0'], env)
    expect(url).toMatch(/^http:\/\/0\.0\.0\.0:\d+\/v1$/)
    const warned = () => running.log().filter(({ level }) => level === 40)
    await running.logged('listening')
    await expect.poll(warned).toEqual([expect.objectContaining({ host: '0.0.0.0' })])
  })
})
