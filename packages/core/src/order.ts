import { type ConfigFault, configError } from './config/fault.ts'
import type { Hook, HookOptions, Plugin } from './plugin.ts'

/** A ring by its name. */
export type Ring = 'call' | 'attempt'

/** A step of a ring. The order of these is the order of the steps. */
export interface Step {
  readonly ring: Ring
  readonly stage: string
}

/** A plugin's hook at its place in a ring. */
export interface PlacedHook<C> extends HookOptions<C> {
  readonly plugin: string
}

/** The name of the place outside of all stages, where a raw middleware stands. */
const outermost = 'outermost'

interface Entry {
  readonly name: string
  readonly hook: HookOptions<never>
  readonly stage: number
  readonly tier: number
}

/** Where an entry is read, and where its faults go. */
interface At {
  readonly ring: Ring
  readonly stages: readonly string[]
  readonly faults: ConfigFault[]
}

const tiers = { pre: -1, none: 0, post: 1 } as const

/**
 * Puts the hooks of one ring in order: by stage, then `enforce`, then `before` and `after`, then registration. The
 * result depends on nothing but these declarations.
 *
 * @throws SignalboxError `invalid_config` for an unknown stage or tier, a constraint that contradicts the stage or tier, or a
 * cycle; each names the plugins.
 */
export function orderHooks<C>(ring: Ring, plugins: readonly Plugin[], steps: readonly Step[]): PlacedHook<C>[] {
  const stages = steps.filter((step) => step.ring === ring).map((step) => step.stage)
  const faults: ConfigFault[] = []
  const at = { ring, stages, faults }
  const entries = plugins.flatMap((plugin) => {
    const hook = plugin[ring] as Hook<never> | undefined
    return hook === undefined ? [] : [entryOf(plugin.name, typeof hook === 'function' ? { run: hook } : hook, at)]
  })
  const groups = groupBy(entries, (entry) => entry.stage * 3 + entry.tier)
  const grouped = [...groups.keys()].toSorted((a, b) => a - b).flatMap((key) => settle(groups.get(key)!, ring, faults))
  faults.push(...contradictions(entries, ring, [outermost, ...stages]))
  if (faults.length > 0) throw configError(faults)
  return grouped.map(({ name, hook }) => ({ ...(hook as unknown as HookOptions<C>), plugin: name }))
}

/**
 * Checks what holds between plugins as wholes.
 *
 * @throws SignalboxError `invalid_config` for a name that stands twice or a required plugin that is not there.
 */
export function checkPlugins(plugins: readonly Plugin[]): void {
  const names = plugins.map((plugin) => plugin.name)
  const faults = plugins.flatMap(({ name, requires = [] }, index) => [
    ...(names.indexOf(name) < index
      ? [{ path: `plugins.${name}`, message: `a plugin named "${name}" is there already` }]
      : []),
    ...requires
      .filter((required) => !names.includes(required))
      .map((required) => ({
        path: `plugins.${name}`,
        message: `requires the plugin "${required}", which is not there`,
      })),
  ])
  if (faults.length > 0) throw configError(faults)
}

function entryOf(name: string, hook: HookOptions<never>, { ring, stages, faults }: At): Entry {
  const stage = hook.stage as string | undefined
  const place = stage === undefined ? -1 : stages.indexOf(stage)
  if (stage !== undefined && place < 0) {
    faults.push({
      path: `plugins.${name}.${ring}.stage`,
      message: `expected one of ${[...new Set(stages)].join(', ')}, got ${JSON.stringify(stage)}`,
    })
  }
  const tier = tiers[hook.enforce ?? 'none'] as number | undefined
  if (tier === undefined) {
    faults.push({
      path: `plugins.${name}.${ring}.enforce`,
      message: `expected pre or post, got ${JSON.stringify(hook.enforce)}`,
    })
  }
  return { name, hook, stage: place, tier: tier ?? 0 }
}

/** Settles one group by its own constraints, keeping registration order where none speaks. */
function settle(group: readonly Entry[], ring: Ring, faults: ConfigFault[]): Entry[] {
  const settled: Entry[] = []
  let waiting = [...group]
  while (waiting.length > 0) {
    const free = waiting.find((entry) => !waiting.some((other) => other !== entry && mustPrecede(other, entry)))
    if (!free) {
      const names = cycleOf(waiting).join(' -> ')
      faults.push({ path: `plugins (${ring} ring)`, message: `before and after run in a circle: ${names}` })
      return settled
    }
    settled.push(free)
    waiting = waiting.filter((entry) => entry !== free)
  }
  return settled
}

function cycleOf(waiting: readonly Entry[]): string[] {
  const path: Entry[] = []
  let entry = waiting[0]
  while (entry && !path.includes(entry)) {
    path.push(entry)
    const inside: Entry = entry
    entry = waiting.find((other) => other !== inside && mustPrecede(other, inside))
  }
  const members = path
    .slice(entry ? path.indexOf(entry) : 0)
    .map(({ name }) => name)
    .toReversed()
  return [...members, members[0]!]
}

function contradictions(entries: readonly Entry[], ring: Ring, stages: readonly string[]): ConfigFault[] {
  const rank = (entry: Entry) => entry.stage * 3 + entry.tier
  const place = (entry: Entry) => `${stages[entry.stage + 1]}${entry.tier === 0 ? '' : `, ${entry.hook.enforce}`}`
  return entries.flatMap((outer) =>
    entries
      .filter((inner) => inner !== outer && mustPrecede(outer, inner) && rank(outer) > rank(inner))
      .map((inner) => ({
        path: `plugins (${ring} ring)`,
        message: `"${outer.name}" (${place(outer)}) is to stand outside of "${inner.name}" (${place(inner)}), against their places`,
      })),
  )
}

const mustPrecede = (outer: Entry, inner: Entry) =>
  names(outer.hook.before).includes(inner.name) || names(inner.hook.after).includes(outer.name)
const names = (value: string | readonly string[] | undefined): readonly string[] =>
  typeof value === 'string' ? [value] : (value ?? [])

function groupBy<T>(items: readonly T[], key: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item])
  return groups
}
