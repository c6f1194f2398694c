import { AssertionError } from 'node:assert'

/** A model in its place, as a decision gives it. */
interface Placed {
  readonly name: string
  readonly reason: string
}

/** What of a decision is looked at. */
interface ShownDecision {
  readonly labels: Readonly<Record<string, string>>
  readonly candidates: readonly Placed[]
  readonly passedOver: readonly Placed[]
}

/** What says how it would decide, without sending anything: every router of `@signalbox/core` does. */
export interface ExplainsDecisions<Init> {
  explain(init: Init): Promise<ShownDecision>
}

/** What a request may have besides its prompt. */
export interface ExpectRouteOptions<Init> {
  /** The route or model that is asked for. @default 'auto' */
  readonly route?: string
  /** Who asks, and whatever else a call begins with. */
  readonly call?: Omit<Init, 'body'>
  /** Fields of the body besides its model and messages, such as `tools`. */
  readonly body?: object
}

/** What is expected of a decision. Nothing holds before the promise is awaited. */
export interface RouteExpectation {
  /** The model that is asked first. */
  toBe(model: string): Promise<void>
  /** All models that are to be tried, the first to be tried first. */
  toRank(models: readonly string[]): Promise<void>
  readonly not: {
    /** Another model is asked first. */
    toBe(model: string): Promise<void>
  }
}

/**
 * Expects a router to choose a model for a prompt, for tests of a policy of one's own, in vitest or any other runner.
 * Nothing is sent, and no state moves.
 *
 * @param prompt the text of a user's message, or the messages of a conversation
 * @throws AssertionError that says what stands in which place, and why
 * @example
 * it('keeps small talk cheap', () => expectRoute(router, 'Good morning!').toBe('cheap'))
 */
export function expectRoute<Init extends { readonly body: object | Uint8Array }>(
  router: ExplainsDecisions<Init>,
  prompt: string | readonly object[],
  { route = 'auto', call, body }: ExpectRouteOptions<Init> = {},
): RouteExpectation {
  const messages = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt
  const decide = () => router.explain({ ...call, body: { ...body, model: route, messages } } as unknown as Init)

  async function check(
    expected: string,
    named: (names: readonly string[]) => unknown,
    wanted: unknown,
    holds: boolean,
  ) {
    const decision = await decide()
    const actual = named(decision.candidates.map(({ name }) => name))
    if ((JSON.stringify(actual) === JSON.stringify(wanted)) === holds) return
    const message = `Expected ${expected}\n${reasons(decision)}`
    throw new AssertionError({
      message,
      actual,
      expected: wanted,
      operator: holds ? 'deepStrictEqual' : 'notDeepStrictEqual',
    })
  }

  const asked = (model: string) => `${JSON.stringify(model)} to be asked first on the route ${JSON.stringify(route)}`
  return {
    toBe: (model) => check(asked(model), firstOf, model, true),
    toRank: (models) => check(`${models.join(', ')} to be tried in this order`, (names) => names, models, true),
    not: { toBe: (model) => check(`not ${asked(model)}`, firstOf, model, false) },
  }
}

const firstOf = ([first]: readonly string[]) => first

function reasons({ labels, candidates, passedOver }: ShownDecision): string {
  const labelled = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
  return [
    ...candidates.map(({ name, reason }, place) => `  ${place + 1}. ${name}: ${reason || 'as listed'}`),
    ...passedOver.map(({ name, reason }) => `  -  ${name}: ${reason}`),
    `  labels: ${labelled.join(', ') || 'none'}`,
  ].join('\n')
}
