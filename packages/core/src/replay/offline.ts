import { Dispatcher } from 'undici'
import { type Clock, systemClock } from '../clock.ts'
import type { ModelOptions, RouterOptions } from '../config/options.ts'

/**
 * A configuration with which a router decides and does nothing else: it writes no ledger, shares no store, asks for no
 * key, probes nobody, and its models cannot be reached. Its policy is the same. What plugins do by themselves, they do.
 *
 * @example
 * const router = createRouter(offline(await loadConfig('signalbox.json')))
 */
export function offline(options: RouterOptions, time: Pick<Clock, 'now' | 'wallTime'> = systemClock): RouterOptions {
  const models = Object.entries(options.models).map(([name, model]) => [name, unreachable(model)])
  return {
    ...options,
    models: Object.fromEntries(models) as RouterOptions['models'],
    ledger: false,
    store: false,
    cache: false,
    keys: false,
    clock: {
      now: () => time.now(),
      wallTime: () => time.wallTime(),
      setTimeout: () => ({}),
      clearTimeout: () => undefined,
    },
  }
}

/** A provider of one's own has its own way out. */
const unreachable = (model: ModelOptions) =>
  typeof model.provider === 'string' ? { ...model, dispatcher: nowhere } : model

class Nowhere extends Dispatcher {
  override dispatch(): never {
    throw new Error('A router that is offline sends nothing')
  }
}

const nowhere = new Nowhere()
