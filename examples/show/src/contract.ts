import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Router } from '@signalbox/core'
import OpenAI, { AuthenticationError, PermissionDeniedError } from 'openai'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { listen } from './listen.ts'
import { type Providers, chooseProviders, keyNames } from './providers.ts'

/** An example app, as its tests know it. */
export interface TestedApp {
  createRouter(providers: Providers): Router
  createListener(router: Router): RequestListener
  /** The file that `pnpm start` runs. */
  readonly main: URL
}

/** What every example app shows. Each runs these same tests. */
export function testExampleApp(app: TestedApp): void {
  describe('the app', () => {
    testApp(app)
  })
  describe('started as a program', { timeout: 30_000 }, () => {
    testProgram(app)
  })
}

/** The app on a free port, with a simulated provider behind it. */
export async function startApp(app: TestedApp) {
  const providers = await chooseProviders({ LATENCY_SCALE: '0' })
  const router = app.createRouter(providers)
  const server = createServer(app.createListener(router))
  const address = await listen(server, { port: 0, orNext: false })
  onTestFinished(async () => {
    await router.close()
    server.closeAllConnections()
    server.close()
    await providers.close()
  })
  const clientOf = (apiKey: string) => new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 0 })
  return { address, simulated: providers.simulated!, client: clientOf('demo'), clientOf }
}

const asking = (model: string, content: string) => ({ model, messages: [{ role: 'user' as const, content }] })

function testApp(app: TestedApp): void {
  it('answers the official client from a model of the route it asked for', async () => {
    const { client } = await startApp(app)
    const { data, response } = await client.chat.completions.create(asking('fast', 'What is 17 * 23?')).withResponse()
    expect(data.choices[0]!.message.content).toContain('391')
    expect(response.headers.get('x-signalbox-route')).toBe('fast')
    expect(response.headers.get('x-signalbox-model')).toBe('gemini-2.5-flash')
  })

  it('spreads the calls of "auto" over several models', async () => {
    const { client } = await startApp(app)
    const models = new Set<string>()
    for (const number of [1, 2, 3, 4]) {
      models.add((await client.chat.completions.create(asking('auto', `${number} + 1`))).model)
    }
    expect([...models].toSorted()).toEqual(['claude-sonnet-4.5', 'gemini-2.5-flash', 'gpt-4.1'])
  })

  it('answers from the next model when one is down, and when a stream breaks off before its first word', async () => {
    const { client, simulated } = await startApp(app)
    simulated.fail('gpt-4.1', { status: 503 })
    const plain = await client.chat.completions.create(asking('strong', '2 + 3')).withResponse()
    expect(plain.data.model).toBe('claude-sonnet-4.5')
    expect(plain.response.headers.get('x-signalbox-attempts')).toBe('2')

    simulated.fail('gemini-2.5-flash', 'cut-before-content')
    const stream = client.chat.completions.stream(asking('fast', '2 + 3'))
    const whole = await stream.finalChatCompletion()
    expect(whole.model).toBe('deepseek-v3.2')
    expect(whole.choices[0]!.message.content).toContain('2 + 3 = 5')
  })

  it("answers Anthropic's protocol with the key where its clients show it", async () => {
    const { address } = await startApp(app)
    const ask = (key: string) =>
      fetch(`${address}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
        body: JSON.stringify({ ...asking('fast', '2 + 3'), max_tokens: 100 }),
      })
    expect(await (await ask('demo')).json()).toMatchObject({
      content: [{ text: expect.stringContaining('2 + 3 = 5') }],
    })
    expect(await (await ask('stranger')).json()).toMatchObject({ error: { type: 'authentication_error' } })
  })

  it('has its own page beside the router', async () => {
    const { address } = await startApp(app)
    const page = await fetch(address, { headers: { authorization: 'Bearer demo' } })
    expect(await page.json()).toMatchObject({ user: 'ada', models: expect.arrayContaining(['auto', 'gpt-4.1']) })
    expect((await fetch(`${address}/v1/nothing-here`)).status).toBe(404)
  })

  it('lets nobody in whom its session does not know, and a free user only to the fast route', async () => {
    const { clientOf } = await startApp(app)
    const stranger = clientOf('stranger').chat.completions.create(asking('fast', 'Hello'))
    await expect(stranger).rejects.toBeInstanceOf(AuthenticationError)
    const free = clientOf('demo-free')
    await expect(free.chat.completions.create(asking('strong', 'Hello'))).rejects.toBeInstanceOf(PermissionDeniedError)
    expect((await free.models.list()).data.map(({ id }) => id)).toEqual(['fast'])
    expect((await free.chat.completions.create(asking('fast', 'Hello'))).model).toBe('gemini-2.5-flash')
  })
}

const lastLine = 'Ctrl-C ends it.'
const hasCurl = spawnSync('curl', ['--version']).status === 0

function testProgram({ main }: TestedApp): void {
  describe('without a terminal', () => {
    let program: Program
    beforeAll(() => {
      program = startProgram(main)
      return program.stop
    })

    it('shows a dozen prompts and their failovers in 100 columns, without colours', async () => {
      const screen = await program.until(lastLine)
      const rows = screen.split('\n').filter((line) => /^\S.* {2}(auto|fast|strong) +\S+ +\d+ /.test(line))
      expect(rows).toHaveLength(12)
      expect(rows.filter((row) => / 2 +(\d+ → )?\d+ +\d+\+\d+$/.test(row))).toHaveLength(4)
      expect(screen).toContain('SIMULATED')
      expect(screen).toContain('12 of 12 prompts were answered, by 4 models')
      expect(screen).toMatch(
        /4 times a model failed.*noticed nothing:\n {2}strong {2}gpt-4\.1 → claude-sonnet-4\.5 +upstream_overloaded +2 times\n/,
      )
      expect(Math.max(...screen.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
      expect(screen).not.toContain('\u001B')
    })

    it.skipIf(!hasCurl)('prints a curl line that works as it is pasted', async () => {
      const [line = ''] = /^ {2}curl[^]*?'$\n\n/m.exec(await program.until(lastLine)) ?? []
      expect(spawnSync('sh', ['-c', line], { encoding: 'utf8' }).stdout).toContain('12 × 12 = 144')
    })

    it('ends on SIGTERM', async () => {
      await program.until(lastLine)
      expect(await program.end('SIGTERM')).toEqual({ code: 0, signal: null })
      expect(program.complaints()).toBe('')
    })
  })

  it('ends at once in the middle of a prompt', async () => {
    const program = startProgram(main, { LATENCY_SCALE: '1000' })
    onTestFinished(program.stop)
    await program.until('› What is the capital')
    expect(await program.end('SIGINT')).toEqual({ code: 0, signal: null })
    expect(program.complaints()).toBe('')
  })

  it('says so and ends when the port it was given is taken', async () => {
    const other = await listenAnywhere()
    const program = startProgram(main, { PORT: new URL(other).port })
    onTestFinished(program.stop)
    expect(await program.ended()).toEqual({ code: 1, signal: null })
    expect(program.complaints()).toMatch(/^listen EADDRINUSE: .*\n$/)
  })
}

function listenAnywhere(): Promise<string> {
  const server = createServer()
  onTestFinished(() => void server.close())
  return listen(server, { port: 0, orNext: false })
}

type Program = ReturnType<typeof startProgram>

function startProgram(main: URL, environment: Record<string, string> = {}) {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !keyNames.includes(name)))
  const child = spawn(process.execPath, ['--conditions=@signalbox/source', fileURLToPath(main)], {
    env: { ...own, PORT: '0', LATENCY_SCALE: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'close')
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (complaints += text))
  let screen = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (screen += text))

  const ended = async () => {
    const [code, signal] = (await exit) as [number | null, string | null]
    return { code, signal }
  }
  return {
    complaints: () => complaints,
    ended,
    stop: () => void child.kill('SIGKILL'),
    end: (signal: 'SIGINT' | 'SIGTERM') => {
      child.kill(signal)
      return ended()
    },
    /** The screen, once this text is on it. */
    async until(text: string): Promise<string> {
      while (!screen.includes(text)) {
        await Promise.race([once(child.stdout, 'data'), exit])
        if (child.exitCode !== null) throw new Error(`It ended too soon: ${screen}${complaints}`)
      }
      return screen
    },
  }
}
