import { inspect } from 'node:util'
import {
  type CommandContext,
  type Plugin,
  type PluginCommand,
  type RouterOptions,
  SignalboxError,
  createRouter,
  isSignalboxError,
  loadConfig,
} from '@signalbox/core'
import { type PluginCommandLine, isOwnCommand, ownCommands } from './arguments.ts'
import { columns, fail, print } from './terminal.ts'

/** Runs a command of a plugin of the configuration, and gives the exit code. */
export async function runPluginCommand({ config, plugin, command = '', args }: PluginCommandLine): Promise<number> {
  const router = createRouter(await loadConfig(config))
  try {
    const owner = router.plugins.find(({ name }) => name === plugin)
    const { commands = {} } = owner ?? {}
    const found = Object.hasOwn(commands, command) ? commands[command] : undefined
    if (found) return await exitCodeOf(found, { args, router, print }, `${plugin} ${command}`)
    const own = owner ? '' : `\nThose of signalbox itself are ${ownCommands}.`
    fail(`${config} has no command "${[plugin, command].filter(Boolean).join(' ')}". ${known(router.plugins)}${own}`)
    return 2
  } finally {
    await router.close()
  }
}

/**
 * Refuses plugins whose commands nobody could run.
 *
 * @throws SignalboxError `invalid_config` for one that has commands and the name of a command of signalbox itself
 */
export function checkCommands({ plugins }: RouterOptions): void {
  const hidden = (plugins || []).find(({ name, commands }) => commands && isOwnCommand(name))
  if (!hidden) return
  const expected = `expected another name for a plugin with commands than that of one of signalbox itself (${ownCommands})`
  throw new SignalboxError('invalid_config', `plugins.${hidden.name}: ${expected}`)
}

/** What fails is its author's to find: it is told with its stack. */
async function exitCodeOf({ run }: PluginCommand, context: CommandContext, name: string): Promise<number> {
  try {
    const code = (await run(context)) ?? 0
    if (Number.isInteger(code) && code >= 0 && code <= 255) return code
    fail(`the command "${name}" gave ${inspect(code)} in place of an exit code from 0 to 255`)
  } catch (error) {
    if (isSignalboxError(error)) throw error
    fail(`the command "${name}" failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
  return 1
}

function known(plugins: readonly Plugin[]): string {
  const rows = plugins.flatMap(({ name, commands = {} }) =>
    Object.entries(commands).map(([command, { summary }]) => [`${name} ${command}`, summary] as const),
  )
  return rows.length === 0 ? 'Its plugins have none.' : `Its plugins have:\n${columns(rows)}`
}
