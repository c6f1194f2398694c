import {
  type CallInit,
  type CommonModelOptions,
  type Router,
  type RouterEvent,
  type RouterEvents,
  type RouterOptions,
  type SignalboxError,
  createRouter,
  isSignalboxError,
  openaiCompatible,
  readBody,
} from '@signalbox/core'
import {
  type FakeClock,
  type SimulatedDispatcher,
  type SimulatedDispatcherOptions,
  createFakeClock,
  createSimulatedDispatcher,
  seededRandom,
} from '@signalbox/testkit'

/** A model of a simulation: what its upstream does, and what the router is told of it. */
interface ModelPlan extends Omit<SimulatedDispatcherOptions, 'clock'> {
  readonly options?: Partial<CommonModelOptions>
}

interface SimulationOptions extends Omit<RouterOptions, 'models' | 'clock' | 'random'> {
  readonly models: Readonly<Record<string, ModelPlan>>
  readonly seed?: number
}

/** A call that was sent, and what became of it. */
export interface SentCall {
  readonly sentMs: number
  endedMs?: number
  /** The model that answered. */
  model?: string
  error?: SignalboxError
}

/** A router over simulated upstreams, on a clock of its own. */
export interface Simulation {
  readonly clock: FakeClock
  readonly router: Router
  readonly upstreams: Readonly<Record<string, SimulatedDispatcher>>
  /** Every call, oldest first. */
  readonly calls: readonly SentCall[]
  /** Everything that was told of an event, from the start. */
  readonly told: <E extends RouterEvent>(event: E) => readonly RouterEvents[E][]
  send(init?: Partial<Omit<CallInit, 'body'>> & { readonly body?: object }): SentCall
  /** Sends calls at random times (`poisson`) or evenly, so many a second for so long. */
  offer(load: Load): Promise<void>
}

interface Load {
  readonly perSecond: number
  readonly seconds: number
  readonly evenly?: boolean
  readonly init?: (index: number) => Parameters<Simulation['send']>[0]
}

/** The route over all models, in their order. */
export const all = 'all'

const messages = [{ role: 'user', content: 'When does the next train leave?' }]

export function simulate({ models, seed = 1, routes, ...options }: SimulationOptions): Simulation {
  const clock = createFakeClock({ turns: 1 })
  const random = seededRandom(seed)
  const names = Object.keys(models)
  const upstreams = mapValues(models, (plan) => createSimulatedDispatcher({ random, ...plan, clock }))
  const router = createRouter({
    ...options,
    clock,
    random: seededRandom(seed + 1),
    models: mapValues(models, (plan, name) =>
      openaiCompatible({ baseUrl: `http://${name}.invalid/v1`, dispatcher: upstreams[name], ...plan.options }),
    ),
    routes: { [all]: { models: names }, ...routes },
  })
  const calls: SentCall[] = []
  const arrivals = seededRandom(seed + 2)

  function send({ body, ...init }: Parameters<Simulation['send']>[0] = {}): SentCall {
    const call: SentCall = { sentMs: clock.now() }
    calls.push(call)
    void follow(call, router.handle({ ...init, body: { model: all, messages, ...body } }))
    return call
  }

  async function follow(call: SentCall, answer: ReturnType<Router['handle']>): Promise<void> {
    try {
      const reply = await answer
      call.model = reply.model
      await readBody(reply)
    } catch (error) {
      if (!isSignalboxError(error)) throw error
      call.error = error
    } finally {
      call.endedMs = clock.now()
    }
  }

  async function offer({ perSecond, seconds, evenly = false, init }: Load): Promise<void> {
    const gapMs = 1_000 / perSecond
    const endMs = clock.now() + seconds * 1_000
    for (let index = 0; ; index++) {
      const waitMs = evenly ? gapMs : -Math.log(1 - arrivals()) * gapMs
      if (clock.now() + waitMs > endMs) return clock.advance(endMs - clock.now())
      await clock.advance(waitMs)
      send(init?.(index))
    }
  }

  return { clock, router, upstreams, calls, told: listen(router), send, offer }
}

const events: readonly RouterEvent[] = ['failover', 'breaker.changed', 'last.resort', 'warning', 'alert']

function listen(router: Router): Simulation['told'] {
  const heard = new Map<RouterEvent, unknown[]>()
  for (const event of events) {
    const payloads: unknown[] = []
    heard.set(event, payloads)
    router.on(event, (payload) => payloads.push(payload))
  }
  return <E extends RouterEvent>(event: E) => heard.get(event) as RouterEvents[E][]
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, map: (value: T, name: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]))
}
