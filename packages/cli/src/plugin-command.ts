import { type Plugin, createRouter, loadConfig } from '@signalbox/core'
import type { PluginCommandLine } from './arguments.ts'
import { columns, fail, print } from './terminal.ts'

/** Runs a command of a plugin of the configuration, and gives the exit code. */
export async function runPluginCommand({ config, plugin, command, args }: PluginCommandLine): Promise<number> {
  const router = createRouter(await loadConfig(config))
  try {
    const asked = router.plugins.find(({ name }) => name === plugin)
    const { [command ?? '']: found } = asked?.commands ?? {}
    if (!found) {
      fail(`${config} has no command "${[plugin, command].filter(Boolean).join(' ')}". ${known(router.plugins)}`)
      return 2
    }
    return (await found.run({ args, router, print })) ?? 0
  } finally {
    await router.close()
  }
}

function known(plugins: readonly Plugin[]): string {
  const rows = plugins.flatMap(({ name, commands = {} }) =>
    Object.entries(commands).map(([command, { summary }]) => [`${name} ${command}`, summary] as const),
  )
  return rows.length === 0 ? 'Its plugins have none.' : `Its plugins have:\n${columns(rows)}`
}
