import { describe, expect, it } from 'vitest'
import { type Router, usdOf } from '@signalbox/core'
import { type Script, chunk, completion, hang, streamEvents, streamHead } from '@signalbox/testkit'
import { begin, chat } from './support/caller.ts'
import { mounts } from './support/mounts.ts'
import { closedGate, eventually, modelAt, routerFor, upstreamThat } from './support/routers.ts'

/** A call on its way, and a way to leave it. */
interface Caller {
  /** Waits until this has come of the answer. */
  until(text: string): Promise<unknown>
  leave(): void
}

type Face = (router: Router) => Promise<(body: object) => Caller>

/** Every way to reach a router. */
const faces: readonly (readonly [string, Face])[] = [
  ...mounts.map(({ name, serve }): readonly [string, Face] => [
    name,
    async (router) => {
      const mounted = await serve(router)
      return (body) => {
        const caller = begin(mounted, { body })
        return { until: async (text) => (await caller.answered).until(text), leave: () => caller.leave() }
      }
    },
  ]),
  ['router.fetch', async (router) => (body) => inProcess(router, body)],
]

function inProcess(router: Router, body: object): Caller {
  const leaving = new AbortController()
  const init = { method: 'POST', body: JSON.stringify(body), signal: leaving.signal }
  const answered = router.fetch('http://in.process/v1/chat/completions', init)
  answered.catch(() => undefined)
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  return {
    async until(text) {
      reader = (await answered).body!.getReader()
      for (let read = ''; !read.includes(text);) read += Buffer.from((await reader.read()).value!).toString()
    },
    leave() {
      leaving.abort()
      reader?.cancel().catch(() => undefined)
    },
  }
}

/** 1 nano-USD for a token of input, 10 for one of output. */
const price = { input: 0.001, output: 0.01 }
/** What "Say something." is estimated at. */
const input = 8
const usage = { prompt_tokens: 1_000, completion_tokens: 20, total_tokens: 1_020 }
const said = 1_200

const eventsWith = (withUsage: boolean) =>
  streamEvents({ content: ['four', 'more', 'word'], ...(withUsage && { usage }), done: false })
const upTo = (events: readonly string[], end: number): Script => [
  streamHead(),
  ...events.slice(0, end).map(chunk),
  hang(),
]

interface Point {
  readonly at: string
  readonly stream: boolean
  readonly withUsage: boolean
  readonly script: Script
  /** What of the answer has come when the caller leaves. */
  readonly sees?: string
  readonly nanoUsd: number
  readonly estimated: boolean
}

const points: readonly Point[] = [true, false].flatMap((withUsage): Point[] => {
  const events = eventsWith(withUsage)
  const streamed = { stream: true, withUsage, estimated: true }
  return [
    { ...streamed, at: 'before the first byte', script: hang(), nanoUsd: input },
    { ...streamed, at: 'before the first byte', stream: false, script: hang(), nanoUsd: input },
    { ...streamed, at: 'before the content', script: upTo(events, 1), nanoUsd: input },
    { ...streamed, at: 'mid-stream', script: upTo(events, 3), sees: 'more', nanoUsd: input + 20 },
    {
      ...streamed,
      at: 'after finish_reason',
      script: upTo(events, events.length),
      sees: withUsage ? '"prompt_tokens"' : '"stop"',
      nanoUsd: withUsage ? said : input + 30,
      estimated: !withUsage,
    },
  ]
})

/** What stands in the ledger and what stands in the budget: one and the same. */
async function charged(router: Router): Promise<object> {
  await eventually(() => [...router.ledger!.calls()].length > 0)
  const rows = [...router.ledger!.attempts()]
  const nanoUsd = rows.reduce((sum, { costNanoUsd = 0n }) => sum + costNanoUsd, 0n)
  expect(await router.budgets()).toMatchObject([{ settledUsd: usdOf(nanoUsd), heldUsd: '0' }])
  return { nanoUsd: Number(nanoUsd), estimated: rows.some(({ estimated }) => estimated) }
}

const routerTo = (upstream: { readonly baseUrl: string }, model: object = {}) =>
  routerFor({
    models: { first: modelAt(upstream, { price, ...model }) },
    routes: { auto: { models: ['first'] } },
    budgets: [{ per: 'all', window: 'month', limitUsd: 1 }],
    ledger: 'memory',
    retry: false,
  })

describe.each(faces)('a caller who leaves, on %s', (_name, face) => {
  it.each(points)(
    '$at is charged $nanoUsd nano-USD (stream: $stream, the provider tells usage: $withUsage)',
    async ({ stream, script, sees, nanoUsd, estimated }) => {
      const upstream = await upstreamThat(script)
      const router = routerTo(upstream)
      const caller = (await face(router))(
        chat({ stream, max_tokens: 100, ...(stream && { stream_options: { include_usage: true } }) }),
      )
      await eventually(() => upstream.requests[0]?.bodyComplete === true)
      if (sees !== undefined) await caller.until(sees)

      caller.leave()

      expect(await charged(router)).toEqual({ nanoUsd, estimated })
    },
  )

  it('before anything is sent is charged nothing', async () => {
    const upstream = await upstreamThat(completion({ content: 'x' }))
    const gate = closedGate()
    let asked = false
    const apiKey = async () => {
      asked = true
      await gate.opened
      return 'k'
    }
    const router = routerTo(upstream, { apiKey })
    const caller = (await face(router))(chat({ stream: true, max_tokens: 100 }))
    await eventually(() => asked)

    caller.leave()

    expect(await charged(router)).toEqual({ nanoUsd: 0, estimated: false })
    expect(upstream.requests).toHaveLength(0)
    gate.open()
  })

  it('in the queue is charged nothing', async () => {
    const upstream = await upstreamThat(hang())
    const router = routerTo(upstream, { limits: { concurrency: 1 } })
    const call = await face(router)
    const first = call(chat({ stream: true, max_tokens: 100 }))
    await eventually(() => upstream.requests.length === 1)
    const second = call(chat({ stream: true, max_tokens: 100 }))
    await eventually(() => Object.keys(router.status().queue).length > 0)

    second.leave()

    await eventually(() => [...router.ledger!.calls()].length === 1)
    expect([...router.ledger!.attempts()]).toEqual([])
    first.leave()
    await eventually(() => [...router.ledger!.calls()].length === 2)
    expect(await charged(router)).toEqual({ nanoUsd: input, estimated: true })
  })
})
