import { onTestFinished } from 'vitest'
import {
  type ModelOptions,
  type Router,
  type RouterEvent,
  type RouterOptions,
  createRouter,
  openaiCompatible,
} from '@signalbox/core'
import {
  type ProgrammableUpstream,
  type ProgrammableUpstreamOptions,
  type Responder,
  type Script,
  type SimulatedProvider,
  type SimulatedProviderOptions,
  startProgrammableUpstream,
  startSimulatedProvider,
} from '@signalbox/testkit'

/** A provider's key as it looks; nothing may ever show it. */
export const providerKey = 'sk-proj-4fQ8zLwR2mXc7VbN1kTyHs9DgJe3UaP6'

/** An upstream that writes what it is told to, until the test is finished. */
export async function upstreamThat(
  responds: Script | Responder,
  options?: ProgrammableUpstreamOptions,
): Promise<ProgrammableUpstream> {
  const upstream = await startProgrammableUpstream(options)
  onTestFinished(() => upstream.close())
  upstream.respond(responds)
  return upstream
}

/** A simulated provider, until the test is finished. */
export async function simulatedProvider(options?: SimulatedProviderOptions): Promise<SimulatedProvider> {
  const provider = await startSimulatedProvider(options)
  onTestFinished(() => provider.close())
  return provider
}

/** A model at an upstream. */
export const modelAt = ({ baseUrl }: { readonly baseUrl: string }, options: Partial<ModelOptions> = {}) =>
  openaiCompatible({ baseUrl, model: 'gpt-4.1', apiKey: providerKey, ...(options as object) })

/** A router that is closed when the test is finished. Without jitter: waits between attempts are as short as they may be. */
export function routerFor(options: RouterOptions): Router {
  const router = createRouter({ random: () => 0, ...options })
  onTestFinished(() => router.close({ timeoutMs: 1 }))
  return router
}

/** Options of {@link routerOver}, besides those of the router. */
export interface OverOptions extends Partial<RouterOptions> {
  /** What holds for every model. */
  readonly model?: Partial<ModelOptions>
  /** What holds for the first model. */
  readonly first?: Partial<ModelOptions>
}

/** A router whose route `auto` tries the upstreams in turn: `first`, `second`, `third`. */
export function routerOver(
  upstreams: readonly { readonly baseUrl: string }[],
  { model = {}, first = {}, ...options }: OverOptions = {},
): Router {
  const names = ['first', 'second', 'third'].slice(0, upstreams.length)
  const models = Object.fromEntries(
    names.map((name, index) => [
      name,
      modelAt(upstreams[index]!, { ...model, ...(index === 0 && first) } as Partial<ModelOptions>),
    ]),
  )
  return routerFor({ models, routes: { auto: { models: names } }, ...options })
}

/** Everything a router told of, by event and in order. */
export interface Told {
  readonly event: RouterEvent
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it is the test's to say
  readonly payload: any
}

const everyEvent: readonly RouterEvent[] = [
  'call.started',
  'call.ended',
  'attempt.started',
  'attempt.ended',
  'failover',
  'alert',
  'breaker.changed',
  'last.resort',
  'warning',
  'listener.failed',
]

/** Writes down every event of a router. */
export function listenTo(router: Router): Told[] {
  const told: Told[] = []
  for (const event of everyEvent) router.on(event, (payload) => told.push({ event, payload }))
  return told
}

/** Waits, in turns of a few milliseconds, until something holds; fails after ten seconds. */
export async function eventually(holds: () => boolean, what = holds.toString()): Promise<void> {
  const until = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > until) throw new Error(`did not come true: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Something to wait for that a test lets happen. */
export function closedGate(): { readonly opened: Promise<void>; open(): void } {
  const waiting: (() => void)[] = []
  return {
    opened: new Promise((resolve) => void waiting.push(resolve)),
    open: () => waiting.forEach((resolve) => resolve()),
  }
}
