import { type Router, createRouter, isSignalboxError, openaiCompatible } from '@signalbox/core'
import {
  type DispatcherFault,
  type FakeClock,
  type Outage,
  type SimulatedDispatcher,
  type SimulatedModel,
  createFakeClock,
  createSimulatedDispatcher,
  drawOutages,
  referenceModels,
  seededRandom,
} from '@signalbox/testkit'

export interface UptimeOptions {
  readonly calls: number
  readonly days: number
  readonly seed: number
  /** Share of the time in which every model is down at once. @default 0.00005 */
  readonly sharedOutage?: number
  /** Called ten times on the way, with the calls done so far. */
  readonly onProgress?: (calls: number) => void
}

/** What came of a simulation. */
export interface UptimeResult {
  readonly route: string
  readonly calls: number
  readonly succeeded: number
  readonly success: number
  readonly attempts: number
  readonly failovers: number
  readonly trips: number
  /** Answered calls' time, in simulated milliseconds. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Failed calls by error code. */
  readonly failures: Readonly<Record<string, number>>
  readonly wallMs: number
}

/** The name of the route over all models. */
export const chain = 'chain'

/**
 * Sends calls at random times over simulated weeks to a route, through the real router, while its models go down and
 * come back as often as their uptime says: refused, overloaded or silent.
 */
export async function simulateUptime(route: string, options: UptimeOptions): Promise<UptimeResult> {
  const startedMs = performance.now()
  const spanMs = options.days * 86_400_000
  const clock = createFakeClock({ turns: 1 })
  const upstreams = createUpstreams(clock, spanMs, options)
  const router = createRouter({
    clock,
    random: seededRandom(options.seed),
    models: Object.fromEntries(upstreams.map(({ name, dispatcher }) => [name, modelAt(name, dispatcher)])),
    routes: { [chain]: { models: upstreams.map(({ name }) => name) } },
  })
  const seen = observe(router, options.calls)
  const random = seededRandom(options.seed + 1)
  const progressEvery = Math.ceil(options.calls / 10)
  for (let sent = 0; sent < options.calls; sent++) {
    await clock.advance((-Math.log(1 - random()) * spanMs) / options.calls)
    seen.call(router.handle({ body: requestTo(route) }))
    if ((sent + 1) % progressEvery === 0) options.onProgress?.(sent + 1)
  }
  await clock.advance(600_000)
  await router.close()
  return { route, calls: options.calls, ...seen.result(), wallMs: performance.now() - startedMs }
}

const requestTo = (model: string) => ({
  model,
  messages: [{ role: 'user', content: 'When does the next train leave?' }],
})

const modelAt = (name: string, dispatcher: SimulatedDispatcher) =>
  openaiCompatible({ baseUrl: `http://${name}.invalid/v1`, dispatcher })

/** An upstream for each reference model, which fails in its own outages and in those that all share. */
function createUpstreams(clock: FakeClock, spanMs: number, { seed, sharedOutage = 0.00005 }: UptimeOptions) {
  const random = seededRandom(seed + 2)
  const fault = () => drawFault(random)
  const shared = drawOutages({ random, spanMs, downShare: sharedOutage, fault })
  return referenceModels.map((model: SimulatedModel) => {
    const own = drawOutages({ random, spanMs, downShare: 1 - model.uptime, fault })
    const outages: readonly Outage[] = [...shared, ...own]
    const { name, latencyMs } = model
    return { name, dispatcher: createSimulatedDispatcher({ clock, random, latencyMs, outages, journalLimit: 0 }) }
  })
}

/** Six outages in ten are overloads, two refuse connections, one answers 500 and one is silence. */
function drawFault(random: () => number): DispatcherFault {
  const at = random()
  if (at < 0.6) return { status: 503 }
  if (at < 0.8) return 'refuse'
  return at < 0.9 ? { status: 500 } : 'hang'
}

function observe(router: Router, calls: number) {
  const failures: Record<string, number> = {}
  const times = new Float64Array(calls)
  let succeeded = 0
  let answered = 0
  let attempts = 0
  let failovers = 0
  let trips = 0
  router.on('call.ended', ({ record }) => {
    attempts += record.attempts.length
    failovers += record.failovers.length
    if (record.outcome === 'ok') times[answered++] = record.durationMs!
  })
  router.on('breaker.changed', ({ to }) => void (trips += to === 'open' ? 1 : 0))

  const count = () => void succeeded++
  const fail = (error: unknown) => {
    const code = isSignalboxError(error) ? error.code : String(error)
    failures[code] = (failures[code] ?? 0) + 1
  }
  return {
    call: (reply: Promise<unknown>) => void reply.then(count, fail),
    result() {
      const sorted = times.slice(0, answered).toSorted()
      const percentile = (share: number) => sorted[Math.floor(sorted.length * share)] ?? NaN
      return {
        succeeded,
        success: succeeded / calls,
        attempts,
        failovers,
        trips,
        p50Ms: percentile(0.5),
        p99Ms: percentile(0.99),
        failures,
      }
    },
  }
}
