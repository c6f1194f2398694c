// What the READMEs' code gets for `@signalbox/core`: the same, but that every provider is the simulated one, or the
// block's own.
import * as core from '@signalbox/core'

export * from '@signalbox/core'

/** Every router that a block has made. */
export const routers: core.Router[] = []

/** Overshadows the one above. */
export function createRouter(options: core.RouterOptions): core.Router {
  const baseUrl = process.env['SIMULATED_URL']!
  const redirect = (model: core.ModelOptions): core.ModelOptions =>
    typeof model.provider === 'string'
      ? { ...model, provider: 'openai-compatible', baseUrl, model: 'gpt-4.1', apiKey: 'any' }
      : model
  const models = Object.entries(options.models).map(([name, model]) => [name, redirect(model)] as const)
  const router = core.createRouter({ ...options, models: Object.fromEntries(models) })
  routers.push(router)
  return router
}
