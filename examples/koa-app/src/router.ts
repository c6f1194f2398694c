import { type Router, createRouter } from '@signalbox/core'
import type { Providers } from '@signalbox/example-show'

/** The routes of the app. Callers ask for them by name, as if they were models. */
export function createAppRouter({ models, fast, strong }: Providers): Router {
  return createRouter({
    models,
    routes: {
      // In turn, every second call to a quick model, and the other quick ones when all of these fail.
      auto: {
        strategy: 'round-robin',
        models: [{ model: fast[0]!, weight: strong.length }, ...strong],
        fallback: fast.slice(1),
      },
      // As listed: the first answers, the others stand by.
      fast: { models: fast, fallback: strong },
      strong: { models: strong, fallback: fast },
    },
  })
}
