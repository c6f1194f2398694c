import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Router, usdOf } from '@signalbox/core'
import { hang } from '@signalbox/testkit'
import {
  type Charge,
  type Pair,
  type Point,
  everyPair,
  everyPoint,
  piecesOf,
  price,
  scriptAt,
} from './support/abort-points.ts'
import { begin } from './support/caller.ts'
import { mounts } from './support/mounts.ts'
import { closedGate, eventually, routerFor, upstreamThat } from './support/routers.ts'

/** A call on its way, and a way to leave it. */
interface Caller {
  /** Waits until this has come of the answer, or its end. */
  until(text: string): Promise<unknown>
  leave(): void
}

type Ask = (path: string, body: object) => Caller

/** Every way to reach a router. */
const reaches: readonly (readonly [string, (router: Router) => Promise<Ask>])[] = [
  ...mounts.map(({ name, serve }): (typeof reaches)[number] => [
    name,
    async (router) => {
      const mounted = await serve(router)
      return (path, body) => {
        const caller = begin(mounted, { path, body })
        return { until: async (text) => (await caller.answered).until(text), leave: () => caller.leave() }
      }
    },
  ]),
  ['router.fetch', async (router) => (path, body) => inProcess(router, path, body)],
]

function inProcess(router: Router, path: string, body: object): Caller {
  const leaving = new AbortController()
  const init = { method: 'POST', body: JSON.stringify(body), signal: leaving.signal }
  const answered = router.fetch(`http://in.process/v1${path}`, init)
  answered.catch(() => undefined)
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  return {
    async until(text) {
      reader = (await answered).body!.getReader()
      for (let read = ''; !read.includes(text);) {
        const { value, done } = await reader.read()
        if (done) return
        read += Buffer.from(value).toString()
      }
    },
    leave() {
      leaving.abort()
      reader?.cancel().catch(() => undefined)
    },
  }
}

const title = '$caller.name to $provider.name'

describe.each(reaches)(
  'a call is charged for what was used, wherever it ends, on %s (gears-rust #3690)',
  (_name, reach) => {
    it.each(everyPair)(`${title}: once its request was sent (LiteLLM #14457, #13245, #35958, #37558)`, async (pair) => {
      const { provider } = pair
      const points = everyPoint.filter(({ stream }) => !stream || provider.stream)
      const upstream = await upstreamThat(({ path }) => scriptAt(points[placeIn(path)]!, pair))
      const models = points.map(({ name }, place) => [
        name,
        provider.model({ baseUrl: `${upstream.baseUrl}/${place}` }, { price }),
      ])
      const router = routerTo(Object.fromEntries(models))
      const ask = await reach(router)
      const received = countReceived()

      await Promise.all(
        points.map(async (point, place) => {
          const caller = ask(pair.caller.path, requestAt(point, pair))
          const bytes = Buffer.byteLength(piecesOf(point, pair).join(''))
          await eventually(() =>
            upstream.requests.some(({ path, bodyComplete }) => bodyComplete && placeIn(path) === place),
          )
          if (point.ends === 'the caller leaves') {
            await eventually(() => received(place) === bytes)
            if (commits(point)) await caller.until('lo')
            caller.leave()
          }
          await eventually(() => [...router.ledger!.calls({ route: point.name })].length > 0)
        }),
      )
      await eventually(() =>
        upstream.requests.every(({ path, closedByPeer }) => closedByPeer || !isLeft(points[placeIn(path)]!)),
      )
      await upstream.close()

      const expected = points.map(({ name, charge }) => [name, charge(provider.name)])
      const charges = points.map(async ({ name }) => [name, await charged(router, name)])
      expect(Object.fromEntries(await Promise.all(charges))).toEqual(Object.fromEntries(expected))
    })

    it.each(everyPair)(`${title}: nothing before it is sent`, async (pair) => {
      const upstream = await upstreamThat(hang())
      const gate = closedGate()
      let asked = false
      const apiKey = async () => {
        asked = true
        await gate.opened
        return 'k'
      }
      const router = routerTo({ auto: pair.provider.model(upstream, { price, apiKey }) })
      const caller = (await reach(router))(pair.caller.path, pair.caller.request())
      await eventually(() => asked)

      caller.leave()

      await eventually(() => [...router.ledger!.calls()].length > 0)
      expect(await charged(router, 'auto')).toEqual({ nanoUsd: 0, estimated: false })
      expect(upstream.requests).toHaveLength(0)
      gate.open()
    })

    it.each(everyPair)(`${title}: nothing in the queue`, async (pair) => {
      const upstream = await upstreamThat(hang())
      const limits = { concurrency: 1 }
      const router = routerTo(
        { auto: pair.provider.model(upstream, { price, limits }) },
        { ahead: { models: ['auto'] } },
      )
      const ask = await reach(router)
      const ahead = ask(pair.caller.path, pair.caller.request({ model: 'ahead' }))
      await eventually(() => upstream.requests.length === 1)
      const caller = ask(pair.caller.path, pair.caller.request())
      await eventually(() => Object.keys(router.status().queue).length > 0)

      caller.leave()

      await eventually(() => [...router.ledger!.calls()].length > 0)
      expect(await charged(router, 'auto')).toEqual({ nanoUsd: 0, estimated: false })
      expect([...router.ledger!.attempts({ route: 'auto' })]).toEqual([])
      ahead.leave()
    })
  },
)

function routerTo(models: Parameters<typeof routerFor>[0]['models'], routes = {}): Router {
  return routerFor({
    models,
    routes,
    budgets: [{ per: 'route', window: 'month', limitUsd: 1 }],
    ledger: 'memory',
    retry: false,
    breaker: false,
  })
}

const requestAt = ({ name, stream }: Point, { caller }: Pair) =>
  caller.request({ model: name, ...(stream && { stream }) })

/** Whether something of the answer has reached the caller. */
const commits = ({ written }: Point) => written === 'the content' || written === 'finish_reason'

/** Whether the provider's work is ended at once: one that has said its last word may end by itself. */
const isLeft = ({ ends, written }: Point) => ends === 'the caller leaves' && written !== 'finish_reason'

/** Which model is asked: each has a path of its own. */
const placeIn = (path: string) => Number(/^\/v1\/(\d+)\//.exec(path)![1])

/** What stands in the ledger and what stands in the budget: one and the same. */
async function charged(router: Router, route: string): Promise<Charge> {
  const rows = [...router.ledger!.attempts({ route })]
  const nanoUsd = rows.reduce((sum, { costNanoUsd = 0n }) => sum + costNanoUsd, 0n)
  expect(await router.budgets({ route })).toMatchObject([{ settledUsd: usdOf(nanoUsd), heldUsd: '0' }])
  return { nanoUsd: Number(nanoUsd), estimated: rows.some(({ estimated }) => estimated) }
}

/** Counts what the router has read of the answers' bodies, for each path that was asked. */
function countReceived(): (place: number) => number {
  const received = new Map<number, number>()
  const channel = 'undici:request:bodyChunkReceived'
  const count = (message: unknown) => {
    const { request, chunk } = message as { request: { path: string }; chunk: Uint8Array }
    const place = placeIn(request.path)
    received.set(place, (received.get(place) ?? 0) + chunk.length)
  }
  subscribe(channel, count)
  onTestFinished(() => void unsubscribe(channel, count))
  return (place) => received.get(place) ?? 0
}
