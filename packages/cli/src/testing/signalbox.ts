import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished, vi } from 'vitest'
import { run } from '../run.ts'

const bin = fileURLToPath(new URL('../bin.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'signalbox-cli-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

/** One line of the log. */
interface LogLine {
  readonly level: number
  readonly time: number
  readonly msg: string
  readonly [field: string]: unknown
}

/** A `signalbox` that runs. */
interface Signalbox {
  /** What it has written so far. */
  output(): { readonly stdout: string; readonly stderr: string }
  log(): LogLine[]
  /** Waits for a line of the log. */
  logged(message: string): Promise<LogLine>
  signal(signal: 'SIGTERM' | 'SIGINT'): void
  readonly exited: Promise<number | null>
}

let files = 0

/** Writes a configuration into a file of its own. */
export function configFile(config: object | string, extension = 'json'): string {
  const file = join(folder, `signalbox-${++files}.${extension}`)
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config))
  return file
}

/** Starts the command from its source, and kills it when the test is finished. */
function signalbox(args: readonly string[], env: Record<string, string> = {}, cwd = folder): Signalbox {
  const child = spawn(process.execPath, ['--conditions=@signalbox/source', bin, ...args], {
    cwd,
    env: { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '', ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const log = () =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine)
  return {
    output: () => ({ stdout, stderr }),
    log,
    logged: (message) =>
      vi.waitFor(
        () => {
          const line = log().find(({ msg }) => msg === message)
          if (!line) throw new Error(`not logged yet: ${message}; stderr: ${stderr}`)
          return line
        },
        { timeout: 30_000, interval: 20 },
      ),
    signal: (signal) => child.kill(signal),
    exited: new Promise((resolve) => child.once('close', resolve)),
  }
}

/** What is left of a command that has ended. */
interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command to its end, in a process of its own: that takes half a second to start. */
export async function finished(
  args: readonly string[],
  env: Record<string, string> = {},
  cwd = folder,
): Promise<Finished> {
  const running = signalbox(args, env, cwd)
  const code = await running.exited
  return { code, ...running.output() }
}

/** Runs the command in this process, at once: for all but that a process ends, and how. One after the other only. */
export async function ran(args: readonly string[], env: Record<string, string> = {}, cwd = folder): Promise<Finished> {
  const written = { stdout: '', stderr: '' }
  const own = { env: process.env, argv: process.argv }
  const spies = [
    vi.spyOn(process, 'cwd').mockReturnValue(cwd),
    ...(['stdout', 'stderr'] as const).map((name) =>
      vi.spyOn(process[name], 'write').mockImplementation((text) => {
        written[name] += String(text)
        return true
      }),
    ),
  ]
  Object.assign(process, { env: { ...env }, argv: [process.execPath, bin, ...args] })
  try {
    return { code: await run(args), ...written }
  } finally {
    Object.assign(process, own)
    for (const spy of spies) spy.mockRestore()
  }
}

/** Starts the command, and waits for what it prints. */
export function following(args: readonly string[]) {
  const running = signalbox(args)
  const printed = (text: string) =>
    vi.waitFor(
      () => {
        if (!running.output().stdout.includes(text)) throw new Error(`not printed yet: ${text}`)
      },
      { timeout: 30_000, interval: 20 },
    )
  return { ...running, printed }
}

/** Starts `signalbox serve` at a free port, and gives the address that it prints. */
export async function served(config: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const running = signalbox(['serve', '--config', config, '--port', '0', ...args], env)
  const url = await vi.waitFor(
    () => {
      const { stderr } = running.output()
      const printed = /listens at (http:\S+)/.exec(stderr)?.[1]
      if (printed === undefined) throw new Error(`not listening yet: ${stderr}`)
      return printed
    },
    { timeout: 30_000, interval: 20 },
  )
  return { ...running, url }
}

/** A configuration of one model and one route, at an upstream. */
export const configFor = (baseUrl: string) => ({
  version: 1,
  models: { fast: { provider: 'openai-compatible', baseUrl, model: 'gpt-4.1', apiKey: '$PROVIDER_KEY' } },
  routes: { auto: { models: ['fast'] } },
})

/** A model at an upstream, that costs so much for a million tokens of input, and four times that for output. */
export const pricedModel = (baseUrl: string, input: number) => ({
  provider: 'openai-compatible',
  baseUrl,
  model: 'gpt-4.1',
  apiKey: 'any',
  price: { input, output: 4 * input },
})
