import { tokensOf } from '../tokens/request.ts'
import type { Call, Modality } from '../types.ts'
import type { Strategy } from './strategy.ts'
import { type Choice, type Choices, assessChoices, observeChoices, rankChoice } from './choice.ts'
import type { MakeStrategy, NestedStrategy } from './index.ts'

type OneOrMore = string | readonly string[]

/** What a call must be like for a rule to hold; all that is said must be so. Of several texts one must be. */
export interface RuleConditions {
  /** Labels that classifiers set, such as `{ task: 'code', priority: ['1', '2'] }`. */
  readonly labels?: Readonly<Record<string, OneOrMore>> | undefined
  readonly key?: OneOrMore | undefined
  readonly user?: OneOrMore | undefined
  readonly team?: OneOrMore | undefined
  /** The caller's tier, as the host says it. */
  readonly tier?: OneOrMore | undefined
  /** The caller has one of these tags. */
  readonly tag?: OneOrMore | undefined
  /** Estimated input tokens, bounds included. */
  readonly inputTokens?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined
  /** Whether the caller wants a stream. */
  readonly stream?: boolean | undefined
  /** Whether the request brings tools. */
  readonly tools?: boolean | undefined
  /** The request has one of these in it. */
  readonly modality?: Modality | readonly Modality[] | undefined
  readonly time?: RuleTime | undefined
}

/** Hours of some days. */
export interface RuleTime {
  /** `HH:MM`, included. @default '00:00' */
  readonly from?: string | undefined
  /** `HH:MM`, not included; before `from` it is on the next day. @default '24:00' */
  readonly to?: string | undefined
  /** On which days it begins. @default every day */
  readonly days?: readonly Day[] | undefined
  /** @default 'UTC' */
  readonly timeZone?: string | undefined
}

/** A day of the week. */
export type Day = (typeof days)[number]

/** The days of the week, as a rule names them. */
export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** One rule: what a call must be like, and the models that then serve it. */
export interface Rule {
  /** Stands in the reason of each decision. @default what it asks for */
  readonly name?: string | undefined
  /** @default holds for every call */
  readonly when?: RuleConditions | undefined
  /** From the first to be tried to the last. The route's `fallback` follows. */
  readonly models: readonly string[]
  /** How its models are ordered. @default 'ordered' */
  readonly strategy?: NestedStrategy | undefined
}

/** Options of the strategy `rules`. */
export interface RulesOptions {
  /** The first that holds decides. */
  readonly rules: readonly Rule[]
  /** Serves calls for which no rule holds. */
  readonly otherwise: readonly string[]
}

/** The models of the first rule that holds for a call. Pure: the same call at the same time goes the same way. */
export function rules(options: RulesOptions, make: MakeStrategy): Strategy {
  const all = options.rules.map((rule, place) => ({
    name: String(place),
    why: `rule ${JSON.stringify(rule.name ?? textOf(rule.when ?? {}))}`,
    holds: conditionsOf(rule.when ?? {}),
    choice: { models: rule.models, strategy: make(rule.strategy) } satisfies Choice,
  }))
  const otherwise = { name: 'otherwise', why: 'no rule holds' }
  const choices: Choices = {
    ...Object.fromEntries(all.map(({ name, choice }) => [name, choice])),
    [otherwise.name]: { models: options.otherwise, strategy: make(undefined) },
  }
  const ruleFor = (call: Call) => all.find(({ holds }) => holds(call)) ?? otherwise
  return {
    name: 'rules',
    ...(Object.values(choices).some(({ strategy }) => strategy.assess) && {
      assess(call, candidates, context) {
        const { name } = ruleFor(call)
        return assessChoices({ [name]: choices[name]! }, { call, candidates, context })
      },
    }),
    rank: (call, candidates, context) => rankChoice(choices, ruleFor(call), { call, candidates, context }),
    observe: (outcome) => observeChoices(choices, outcome, (call) => ruleFor(call).name),
  }
}

/**
 * The strategy `rules` of a route, whose models it names: a route with it needs no `models` of its own.
 *
 * @example
 * const strategy = byRules({
 *   rules: [{ when: { labels: { task: 'code' }, tier: 'free' }, models: ['small'] }],
 *   otherwise: ['large'],
 * })
 */
export const byRules = (options: RulesOptions) => ({ use: 'rules', ...options }) as const

type Condition = (call: Call) => boolean

function conditionsOf({ labels = {}, inputTokens, modality, tag, time, ...when }: RuleConditions): Condition {
  const { key, user, team, tier, stream, tools } = when
  const conditions: (Condition | undefined)[] = [
    ...Object.entries(labels).map(([label, wanted]) => oneOf(wanted, (call) => call.labels[label])),
    oneOf(key, ({ identity }) => identity.key),
    oneOf(user, ({ identity }) => identity.user),
    oneOf(team, ({ identity }) => identity.team),
    oneOf(tier, ({ identity }) => identity.tier),
    someOf(tag, ({ identity }) => identity.tags ?? []),
    someOf(modality, ({ request }) => [...request.modality]),
    inputTokens && (({ request }) => isWithin(tokensOf(request).inputTokens, inputTokens)),
    stream === undefined ? undefined : ({ request }) => request.parameters.stream === stream,
    tools === undefined ? undefined : ({ request }) => request.tools.length > 0 === tools,
    time && duringTime(time),
  ]
  const asked = conditions.filter((condition) => condition !== undefined)
  return (call) => asked.every((holds) => holds(call))
}

function oneOf(wanted: OneOrMore | undefined, valueOf: (call: Call) => string | undefined): Condition | undefined {
  return someOf(wanted, (call) => [valueOf(call)])
}

function someOf(
  wanted: OneOrMore | undefined,
  valuesOf: (call: Call) => readonly (string | undefined)[],
): Condition | undefined {
  if (wanted === undefined) return undefined
  const allowed = new Set<string | undefined>([wanted].flat())
  return (call) => valuesOf(call).some((value) => value !== undefined && allowed.has(value))
}

const isWithin = (count: number, { min = 0, max = Infinity }: NonNullable<RuleConditions['inputTokens']>) =>
  count >= min && count <= max

const dayMinutes = 1_440

function duringTime({ from = '00:00', to = '24:00', days: on = days, timeZone = 'UTC' }: RuleTime): Condition {
  const [start, end] = [minutesOf(from), minutesOf(to)]
  const lengthMinutes = end > start ? end - start : end - start + dayMinutes
  const local = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  return ({ record }) => {
    const parts = Object.fromEntries(local.formatToParts(record.startedAt).map(({ type, value }) => [type, value]))
    const today = days.indexOf(parts['weekday']!.toLowerCase() as Day)
    const now = Number(parts['hour']) * 60 + Number(parts['minute'])
    const beganToday = now >= start && now < start + lengthMinutes && on.includes(days[today]!)
    const beganYesterday = now + dayMinutes < start + lengthMinutes && on.includes(days[(today + 6) % 7]!)
    return beganToday || beganYesterday
  }
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(':').map(Number)
  return hours! * 60 + minutes!
}

/** What a rule asks for, in words. */
function textOf(conditions: RuleConditions): string {
  const { labels = {}, ...others } = conditions
  const asked = Object.entries({ ...labels, ...others }).filter(([, wanted]) => wanted !== undefined)
  return asked.map(([name, wanted]) => `${name} is ${wordOf(wanted)}`).join(', ') || 'always'
}

const wordOf = (wanted: unknown) =>
  Array.isArray(wanted) ? wanted.join(' or ') : typeof wanted === 'string' ? wanted : JSON.stringify(wanted)
