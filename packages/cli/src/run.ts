import { readFileSync } from 'node:fs'
import { createRouter, isSignalboxError, loadConfig } from '@signalbox/core'
import {
  type ExplainOptions,
  type KeysOptions,
  type ReplayOptions,
  type ReportOptions,
  type ServeOptions,
  type SimulateOptions,
  type TailOptions,
  readArguments,
} from './arguments.ts'
import { checkText } from './check.ts'
import { doctor } from './doctor.ts'
import { explain } from './explain.ts'
import { help } from './help.ts'
import { withoutNewFiles } from './inspect.ts'
import { keys } from './keys.ts'
import { orderText } from './order.ts'
import { replay } from './replay.ts'
import { report } from './report.ts'
import { checkCommands, runPluginCommand } from './plugin-command.ts'
import { serve } from './serve.ts'
import { simulated } from './simulate.ts'
import { tail } from './tail.ts'
import { fail, print } from './terminal.ts'
import { train } from './train.ts'

/** What the process exits with. */
const exitCodes = { ok: 0, failed: 1, wrongUse: 2 } as const

/** Runs the command that stands in the arguments, and gives the exit code of the process. */
export async function run(args: readonly string[]): Promise<number> {
  const command = readArguments(args)
  switch (command.kind) {
    case 'help':
      print(help(command.command))
      return exitCodes.ok
    case 'version':
      print(version())
      return exitCodes.ok
    case 'wrong':
      fail(`${command.message}\nTry "signalbox --help".`)
      return exitCodes.wrongUse
    case 'serve':
      return inspectOrServe(command.options).catch(failed)
    case 'doctor':
      return examine(command.config).catch(failed)
    case 'report':
      return printReport(command.options).catch(failed)
    case 'keys':
      return manageKeys(command.options).catch(failed)
    case 'tail':
      return follow(command.options).catch(failed)
    case 'train':
      return (await train(command)) ? exitCodes.ok : exitCodes.failed
    case 'explain':
      return printExplanation(command.options).catch(failed)
    case 'replay':
      return replayLog(command.options).catch(failed)
    case 'simulate':
      return printSimulation(command.options).catch(failed)
    case 'plugin':
      return runPluginCommand(command).catch(failed)
  }
}

/** What is wrong with a configuration or with the machine is told; all else is a fault of ours. */
function failed(error: unknown): number {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code === 'ERR_SQLITE_ERROR')
    fail(`a SQLite file of the configuration cannot be used: ${(error as Error).message}`)
  else if (isSignalboxError(error) || syscall !== undefined) fail((error as Error).message)
  else throw error
  return exitCodes.failed
}

async function printReport(options: ReportOptions): Promise<number> {
  print(report(await loadConfig(options.config), options))
  return exitCodes.ok
}

async function manageKeys(options: KeysOptions): Promise<number> {
  print(keys(await loadConfig(options.config), options))
  return exitCodes.ok
}

async function follow(options: TailOptions): Promise<number> {
  await tail(await loadConfig(options.config), options)
  return exitCodes.ok
}

async function printExplanation(options: ExplainOptions): Promise<number> {
  print(await explain(await loadConfig(options.config), options))
  return exitCodes.ok
}

async function replayLog({ config, log }: ReplayOptions): Promise<number> {
  return (await replay(await loadConfig(config), log)) ? exitCodes.ok : exitCodes.failed
}

async function printSimulation(options: SimulateOptions): Promise<number> {
  print(await simulated(await loadConfig(options.policy), options))
  return exitCodes.ok
}

async function examine(file: string): Promise<number> {
  return (await doctor(await loadConfig(file))) ? exitCodes.ok : exitCodes.failed
}

async function inspectOrServe(options: ServeOptions): Promise<number> {
  const config = await loadConfig(options.config)
  checkCommands(config)
  if (!options.check && !options.printOrder) return serve(config, options)
  const router = createRouter(withoutNewFiles(config))
  if (options.check) print(checkText(options.config, config))
  if (options.printOrder) print(orderText(router))
  await router.close()
  return exitCodes.ok
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}
