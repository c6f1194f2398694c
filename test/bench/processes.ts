import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { hasCommand, processors, processTicks } from './machine.ts'

/** The load and the upstream share the first processor; the row has the second to itself. */
export type Side = 'load' | 'row'

/** Whether processes are bound to processors. */
export const isPinned = processors > 1 && hasCommand('taskset')

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Processor time of this process, of what it has started, and of what of that has ended, in ticks of 10 ms. */
export function ownTicks(): number {
  return [...running].reduce((sum, { pid }) => sum + ticksOf(pid!), processTicks('self', true))
}

function ticksOf(pid: number): number {
  try {
    return processTicks(pid)
  } catch {
    return 0
  }
}

/** How a program is started. */
export interface Command {
  readonly side: Side
  readonly program: string
  readonly parameters: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** Starts a program on its side, with a channel for messages, and kills it when this process exits. */
export function start({ side, program, parameters, environment }: Command): ChildProcess {
  const pin = isPinned ? ['taskset', '-c', side === 'load' ? '0' : '1'] : []
  const [first, ...rest] = [...pin, program, ...parameters] as [string, ...string[]]
  const child = spawn(first, rest, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Runs a program to its end and reads the JSON on its last line. */
export async function run<Result>(command: Command): Promise<Result> {
  const child = start(command)
  const said = collect(child)
  await new Promise((resolve) => child.once('close', resolve))
  try {
    return JSON.parse(said().trimEnd().split('\n').at(-1)!) as Result
  } catch (cause) {
    throw new Error(`${command.program} ended without a result: ${said().slice(0, 500)}`, { cause })
  }
}

/** Ends a process, and waits until it has gone. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

/** What a process has said so far. */
export function collect(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', (part) => (text += part))
  return () => text
}

/** A port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address() as { port: number }
      server.close(() => resolve(address.port))
    })
  })
}

/** The path of a file of the bench. */
export const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
