import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSignalboxError } from './errors.ts'
import { type Step, checkPlugins, orderHooks } from './order.ts'
import { pipeline } from './pipeline.ts'
import type { HookOptions, Plugin } from './plugin.ts'
import type { Call } from './types.ts'

type Place = Omit<HookOptions<Call>, 'run'>

const run: HookOptions<Call>['run'] = (call, next) => next(call)
const at = (name: string, place: Place = {}): Plugin => ({ name, call: { ...place, run } })
const raw = (name: string): Plugin => ({ name, call: run })

const order = (plugins: readonly Plugin[], steps: readonly Step[] = pipeline) =>
  orderHooks<Call>('call', plugins, steps).map(({ plugin }) => plugin)

function faultOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (!isSignalboxError(error) || error.code !== 'invalid_config') throw error
    return error.message
  }
  throw new Error('nothing was thrown')
}

describe('the order of hooks', () => {
  it('follows the stages of the pipeline, whatever the order of registration', () => {
    const plugins = (['admit', 'cache', 'classify', 'guard', 'identify', 'observe'] as const).map((stage) =>
      at(`in-${stage}`, { stage }),
    )
    expect(order(plugins)).toEqual(['in-observe', 'in-identify', 'in-guard', 'in-classify', 'in-cache', 'in-admit'])
  })

  it('puts a raw middleware and one without a stage outside of all stages', () => {
    expect(order([at('staged', { stage: 'observe' }), raw('raw'), at('placeless')])).toEqual([
      'raw',
      'placeless',
      'staged',
    ])
  })

  it('puts pre before and post after all others of the stage', () => {
    const plugins = [
      at('last', { stage: 'guard', enforce: 'post' }),
      at('middle', { stage: 'guard' }),
      at('first', { stage: 'guard', enforce: 'pre' }),
      at('other', { stage: 'classify', enforce: 'pre' }),
    ]
    expect(order(plugins)).toEqual(['first', 'middle', 'last', 'other'])
  })

  it('keeps registration order where nothing else speaks', () => {
    expect(order(['c', 'a', 'b'].map((name) => at(name, { stage: 'guard' })))).toEqual(['c', 'a', 'b'])
  })

  it('follows before and after inside a stage, one name or several', () => {
    const plugins = [
      at('late', { stage: 'guard', after: ['early', 'middle'] }),
      at('middle', { stage: 'guard' }),
      at('early', { stage: 'guard', before: 'middle' }),
    ]
    expect(order(plugins)).toEqual(['early', 'middle', 'late'])
  })

  it('follows before and after through a chain of plugins', () => {
    const plugins = [
      at('d', { stage: 'cache', after: 'c' }),
      at('c', { stage: 'cache', after: 'b' }),
      at('b', { stage: 'cache', after: 'a' }),
      at('a', { stage: 'cache' }),
    ]
    expect(order(plugins)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('ignores names in before and after that are not there, or not in this ring', () => {
    const elsewhere: Plugin = { name: 'elsewhere', attempt: { stage: 'retry', run: (attempt, next) => next(attempt) } }
    expect(order([at('a', { stage: 'guard', before: 'nobody', after: ['elsewhere'] }), elsewhere])).toEqual(['a'])
  })

  it('accepts before and after that agree with the stages', () => {
    const plugins = [at('inner', { stage: 'cache', after: 'outer' }), at('outer', { stage: 'guard', before: 'inner' })]
    expect(order(plugins)).toEqual(['outer', 'inner'])
  })

  it('orders each ring by itself', () => {
    const both: Plugin = {
      name: 'both',
      call: run,
      attempt: { stage: 'breaker', run: (attempt, next) => next(attempt) },
    }
    expect(orderHooks('attempt', [both], pipeline).map(({ plugin, stage }) => [plugin, stage])).toEqual([
      ['both', 'breaker'],
    ])
    expect(order([both])).toEqual(['both'])
  })

  it('hands on the hook with everything that was declared', () => {
    const [placed] = orderHooks<Call>('call', [at('a', { stage: 'guard', timeoutMs: 5, onError: 'open' })], pipeline)
    expect(placed).toEqual({ plugin: 'a', stage: 'guard', timeoutMs: 5, onError: 'open', run })
  })
})

describe('a wrong order', () => {
  it('names an unknown stage, its plugin and the stages there are', () => {
    const message = faultOf(() => order([at('lost', { stage: 'gaurd' as 'guard' })]))
    expect(message).toContain('plugins.lost.call.stage')
    expect(message).toContain('got "gaurd"')
    for (const stage of ['observe', 'identify', 'guard', 'classify', 'cache', 'admit']) expect(message).toContain(stage)
  })

  it('refuses a stage of the other ring', () => {
    expect(faultOf(() => order([at('lost', { stage: 'retry' as 'guard' })]))).toContain('got "retry"')
  })

  it('names an unknown enforce and its plugin', () => {
    const message = faultOf(() => order([at('eager', { stage: 'guard', enforce: 'first' as 'pre' })]))
    expect(message).toContain('plugins.eager.call.enforce')
    expect(message).toContain('got "first"')
  })

  it('names the members of a cycle, in their order, and nobody else', () => {
    const message = faultOf(() =>
      order([
        at('behind', { stage: 'guard', after: 'c' }),
        at('bystander', { stage: 'guard', before: 'a' }),
        at('a', { stage: 'guard', before: 'b' }),
        at('b', { stage: 'guard', before: 'c' }),
        at('c', { stage: 'guard', before: 'a' }),
      ]),
    )
    expect(message).toMatch(/circle: (a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)/)
    expect(message).not.toContain('bystander')
    expect(message).not.toContain('behind')
  })

  it('names a pair that each want to stand before the other', () => {
    expect(faultOf(() => order([at('a', { before: 'b' }), at('b', { before: 'a' })]))).toMatch(
      /circle: (a -> b -> a|b -> a -> b)/,
    )
  })

  it('names both plugins and both places where before contradicts the stage', () => {
    const message = faultOf(() =>
      order([at('inner', { stage: 'cache', before: 'outer' }), at('outer', { stage: 'guard' })]),
    )
    expect(message).toContain('"inner" (cache) is to stand outside of "outer" (guard)')
  })

  it('names both plugins where after contradicts the tier', () => {
    const message = faultOf(() =>
      order([at('first', { stage: 'guard', enforce: 'pre', after: 'second' }), at('second', { stage: 'guard' })]),
    )
    expect(message).toContain('"second" (guard) is to stand outside of "first" (guard, pre)')
  })

  it('says of a raw middleware that it stands outermost', () => {
    expect(faultOf(() => order([at('raw', { after: 'staged' }), at('staged', { stage: 'observe' })]))).toContain(
      '"staged" (observe) is to stand outside of "raw" (outermost)',
    )
  })

  it('lists every fault at once', () => {
    const message = faultOf(() =>
      order([
        at('lost', { stage: 'nowhere' as 'guard' }),
        at('a', { stage: 'cache', before: 'b' }),
        at('b', { stage: 'cache', before: 'a' }),
        at('c', { stage: 'admit', before: 'd' }),
        at('d', { stage: 'guard' }),
      ]),
    )
    expect(message).toContain('The configuration has 3 faults:')
  })
})

describe('plugins as wholes', () => {
  it('may not share a name', () => {
    const message = faultOf(() => checkPlugins([raw('twin'), raw('other'), raw('twin')]))
    expect(message).toContain('plugins.twin: a plugin named "twin" is there already')
    expect(message).not.toContain('other')
  })

  it('name what they require and do not find, all at once', () => {
    const needy: Plugin = { name: 'needy', requires: ['here', 'gone', 'lost'] }
    const message = faultOf(() => checkPlugins([needy, raw('here')]))
    expect(message).toContain('plugins.needy: requires the plugin "gone"')
    expect(message).toContain('plugins.needy: requires the plugin "lost"')
    expect(message).not.toContain('"here"')
  })

  it('may require one that is registered later, and one without hooks', () => {
    expect(() => checkPlugins([{ name: 'a', requires: ['b'] }, { name: 'b' }])).not.toThrow()
  })
})

const stages = ['observe', 'identify', 'guard', 'classify', 'cache', 'admit'] as const
const place = fc.record(
  { stage: fc.constantFrom(...stages), enforce: fc.constantFrom('pre' as const, 'post' as const) },
  { requiredKeys: [] },
)

const rank = ({ stage, enforce }: Place) =>
  (stage ? stages.indexOf(stage) : -1) * 3 + { pre: -1, none: 0, post: 1 }[enforce ?? 'none']

/** Plugins whose `before` only points down and whose `after` only points up one hidden order, so that no cycle can be. */
const declared = fc
  .array(
    fc.record({
      place,
      before: fc.array(fc.nat({ max: 11 }), { maxLength: 2 }),
      after: fc.array(fc.nat({ max: 11 }), { maxLength: 2 }),
    }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((specs) => {
    const hidden = specs.toSorted((a, b) => rank(a.place) - rank(b.place))
    return hidden.map((spec, index) => {
      const name = `p${index}`
      const before = spec.before.filter((other) => other > index).map((other) => `p${other}`)
      const after = spec.after.filter((other) => other < index).map((other) => `p${other}`)
      return at(name, { ...spec.place, before, after })
    })
  })
const shuffled = declared.chain((plugins) =>
  fc.shuffledSubarray(plugins, { minLength: plugins.length, maxLength: plugins.length }),
)

const placeOf = (plugin: Plugin) => plugin.call as HookOptions<Call>
const names = (value: string | readonly string[] | undefined) => (typeof value === 'string' ? [value] : (value ?? []))

describe('whatever is declared', () => {
  it('keeps every promise: stage, tier, before and after', () => {
    fc.assert(
      fc.property(shuffled, (plugins) => {
        const placed = order(plugins)
        expect(placed.toSorted()).toEqual(plugins.map(({ name }) => name).toSorted())
        const position = new Map(placed.map((name, index) => [name, index]))
        const pairs = plugins.flatMap((plugin) => [
          ...names(placeOf(plugin).before).map((inner) => [plugin.name, inner] as const),
          ...names(placeOf(plugin).after).map((outer) => [outer, plugin.name] as const),
        ])
        for (const [outer, inner] of pairs.filter(([...both]) => both.every((name) => position.has(name))))
          expect(position.get(outer)).toBeLessThan(position.get(inner)!)
        const ranks = placed.map((name) => rank(placeOf(plugins.find((plugin) => plugin.name === name)!)))
        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b))
      }),
    )
  })

  it('depends on the declarations alone: the same list gives the same order', () => {
    fc.assert(
      fc.property(shuffled, (plugins) => {
        const before = JSON.stringify(plugins)
        const first = order(plugins)
        expect(order(plugins)).toEqual(first)
        expect(JSON.stringify(plugins)).toBe(before)
      }),
    )
  })

  it('does not move the others when an unrelated plugin is registered, wherever', () => {
    fc.assert(
      fc.property(shuffled, place, fc.nat(), (plugins, where, index) => {
        const spot = index % (plugins.length + 1)
        const more = [...plugins.slice(0, spot), at('stranger', where), ...plugins.slice(spot)]
        expect(order(more).filter((name) => name !== 'stranger')).toEqual(order(plugins))
      }),
    )
  })

  it('does not depend on registration between plugins of different stages', () => {
    fc.assert(
      fc.property(shuffled, (plugins) => {
        const byPlace = plugins.toSorted(
          (a, b) => stages.indexOf(placeOf(b).stage as 'guard') - stages.indexOf(placeOf(a).stage as 'guard'),
        )
        expect(order(byPlace)).toEqual(order(plugins))
      }),
    )
  })

  it('names every member of a ring of plugins that each want to be before the next', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 10 }), fc.array(place, { maxLength: 4 }), (size, strangers) => {
        const circle = Array.from({ length: size }, (_, index) =>
          at(`c${index}`, { stage: 'guard', before: `c${(index + 1) % size}` }),
        )
        const others = strangers.map((where, index) => at(`stranger${index}`, where))
        const message = faultOf(() => order([...others, ...circle]))
        for (const { name } of circle) expect(message).toMatch(new RegExp(`\\b${name}\\b`))
        expect(message).not.toContain('stranger')
      }),
    )
  })
})
