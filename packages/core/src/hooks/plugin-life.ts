import type { Clock } from '../clock.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { EventBus } from '../events.ts'
import type { Opened } from '../opened.ts'
import type { Plugin, PluginServices } from '../plugin.ts'
import { inTime } from '../sleep.ts'

/** What closing plugins needs. */
interface CloseContext {
  readonly clock: Clock
  readonly events: EventBus
}

/** What plugins are set up with. */
interface SetUpContext extends CloseContext {
  readonly opened: Opened
  servicesOf(plugin: Plugin): PluginServices
}

/**
 * Sets plugins up, in order, and notes of each that it is to be closed. One that cannot be closed, or takes too long,
 * does not keep the others open.
 *
 * @throws SignalboxError that names the plugin
 */
export function setUpPlugins(plugins: readonly Plugin[], { opened, servicesOf, clock, events }: SetUpContext): void {
  for (const plugin of plugins) {
    try {
      const result: unknown = plugin.setup?.(servicesOf(plugin))
      if (result instanceof Promise) throw asynchronous(result)
    } catch (cause) {
      throw setUpError(plugin, cause)
    }
    if (plugin.close) opened.add(() => closePlugin(plugin, { clock, events }))
  }
}

/** How long one plugin may take to close. */
const closeMs = 10_000

async function closePlugin(plugin: Plugin, { clock, events }: CloseContext): Promise<void> {
  try {
    const late = () => new Error(`it took longer than ${closeMs} ms`)
    await inTime(plugin.close!(), { limitMs: closeMs, clock, late })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    events.emit('warning', {
      kind: 'plugin_failed',
      plugin: plugin.name,
      message: `The plugin "${plugin.name}" could not be closed: ${why}`,
    })
  }
}

function asynchronous(result: Promise<unknown>): Error {
  result.catch(() => undefined)
  return new Error('setup must be done when it returns, and returned a promise')
}

function setUpError({ name: plugin }: Plugin, cause: unknown): SignalboxError {
  if (isSignalboxError(cause) && cause.plugin === plugin) return cause
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SignalboxError('plugin_failed', `The plugin "${plugin}" could not be set up: ${why}`, { plugin, cause })
}
