import type { Clock, Timer } from './clock.ts'
import { SignalboxError, isSignalboxError } from './errors.ts'
import type { EventBus } from './events.ts'
import type { PlacedHook, Ring } from './order.ts'
import type { Middleware, Reply } from './types.ts'

/** What running a plugin's hook needs. */
export interface HookContext {
  readonly ring: Ring
  readonly clock: Clock
  readonly events: EventBus
}

/**
 * Makes a middleware of a plugin's hook: what it throws names the plugin, it may take no longer than its time limit, and
 * what it returns must be a reply. A hook that is `open` on error is stepped over instead, and the call goes on without it;
 * where another fails, the reply that it had from `next` is cancelled.
 */
export function runHook<C>(hook: PlacedHook<C>, context: HookContext): Middleware<C> {
  const { plugin } = hook
  const open = (hook.onError ?? (hook.stage === 'observe' ? 'open' : 'closed')) === 'open'
  const run = hook.timeoutMs === undefined ? hook.run : limitTime(hook.run, hook.timeoutMs, plugin, context.clock)

  const failure = (error: unknown): SignalboxError => {
    if (isSignalboxError(error)) return error
    return new SignalboxError('plugin_failed', `The plugin "${plugin}" failed in the ${context.ring} ring`, {
      plugin,
      cause: error,
    })
  }

  return async function pluginHook(call, next) {
    let passed: Promise<Reply> | undefined
    try {
      const reply = await run(call, (inner) => (passed = next(inner)))
      if (isReply(reply)) return reply
      throw new SignalboxError(
        'plugin_failed',
        `The plugin "${plugin}" returned no reply in the ${context.ring} ring`,
        { plugin },
      )
    } catch (error) {
      const named = failure(error)
      if (!open || named.plugin !== plugin) {
        passed?.then((reply) => reply.cancel(named), ignored)
        throw named
      }
      const message = `The plugin "${plugin}" was stepped over in the ${context.ring} ring: ${reasonOf(named)}`
      context.events.emit('warning', { kind: 'plugin_skipped', plugin, message })
      return passed ?? next(call)
    }
  }
}

/** Rejects when a middleware spends longer than the limit outside of `next`. */
function limitTime<C>(run: Middleware<C>, limitMs: number, plugin: string, clock: Clock): Middleware<C> {
  return (call, next) =>
    new Promise<Reply>((resolve, reject) => {
      let timer: Timer | undefined
      let leftMs = limitMs
      let since = 0
      let inside = 0
      let over = false
      let late: SignalboxError | undefined

      const start = () => {
        since = clock.now()
        timer = clock.setTimeout(() => {
          over = true
          late = new SignalboxError('plugin_timeout', `The plugin "${plugin}" took longer than ${limitMs} ms`, {
            plugin,
          })
          reject(late)
        }, leftMs)
      }
      const stop = () => {
        clock.clearTimeout(timer)
        leftMs = Math.max(0, leftMs - (clock.now() - since))
      }
      const finish = () => {
        over = true
        clock.clearTimeout(timer)
      }
      const enter = async (inner: C) => {
        if (late) throw late
        if (inside++ === 0 && !over) stop()
        try {
          return await next(inner)
        } finally {
          if (--inside === 0 && !over) start()
        }
      }

      start()
      void (async () => run(call, enter))().then(resolve, reject).finally(finish)
    })
}

const replyParts = ['status', 'headers', 'body', 'ended'] as const

const isReply = (value: unknown): value is Reply =>
  typeof value === 'object' &&
  value !== null &&
  replyParts.every((part) => part in value) &&
  typeof (value as Reply).cancel === 'function'

const ignored = () => undefined

const reasonOf = (error: SignalboxError) => (error.cause instanceof Error ? error.cause.message : error.message)
