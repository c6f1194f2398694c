/** What a plugin is called in each place. */
export interface PluginNames {
  /** In `definePlugin`: `rate-card`. */
  readonly plugin: string
  /** In code: `rateCard`. */
  readonly identifier: string
  /** In the registry: `signalbox-plugin-rate-card`. */
  readonly package: string
  readonly folder: string
  readonly description: string
}

const valid = /^(?:(@[a-z0-9][\w.-]*)\/)?([a-z][a-z0-9]*(?:-[a-z0-9]+)*)$/
/** Words of the language, which can name no function. */
const reserved =
  'arguments await break case catch class const continue debugger default delete do else enum eval export extends false ' +
  'finally for function if implements import in instanceof interface let new null package private protected public ' +
  'return static super switch this throw true try typeof undefined var void while with yield'
/** Names that the template uses itself. */
const used =
  'call createRouter definePlugin expect expectTypeOf it name next pluginContract reader startSimulatedProvider'
/** Names of the router's own plugins, beside which there is no other. */
const builtIn =
  'adaptive admit breaker budget cache degrade fingerprint health hold idempotency ledger limiter meter observe ' +
  'permission retry timeout translate'
const taken = new Set(`${reserved} ${used} ${builtIn}`.split(' '))

/**
 * The names of a plugin, from the one it was given.
 *
 * @throws Error that says what a name looks like
 */
export function namesOf(given: string, workspace: boolean): PluginNames {
  const bare = given.replace(/(^|\/)(?:signalbox-)?plugin-/, '$1')
  const [, scope, plugin = ''] = valid.exec(bare) ?? []
  const identifier = plugin.replaceAll(/-(.)/g, (_dash, letter: string) => letter.toUpperCase())
  if (plugin === '' || taken.has(identifier) || (workspace && scope))
    throw new Error(
      `expected a name such as "region" or "rate-card"${workspace ? '' : ' or "@team/region"'}, got "${given}"`,
    )
  const unscoped = `signalbox-plugin-${plugin}`
  return {
    plugin,
    identifier,
    package: workspace ? `@signalbox/plugin-${plugin}` : scope ? `${scope}/${unscoped}` : unscoped,
    folder: unscoped,
    description: `Greets every call, until it does something else.`,
  }
}

/** A text of the template with its names in place of those there. */
export function renamed(text: string, names: PluginNames): string {
  return text
    .replaceAll('@signalbox/plugin-hello', names.package)
    .replaceAll(/(name: |requires: \[)'hello'/g, `$1'${names.plugin}'`)
    .replaceAll(/\bhello\b/g, names.identifier)
}
