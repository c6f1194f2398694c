import { Dispatcher } from 'undici'
import { onTestFinished } from 'vitest'
import { type Router, type RouterOptions, openaiCompatible } from '@signalbox/core'
import { type FakeClock, completionBody, createFakeClock, errorBody } from '@signalbox/testkit'
import { chat } from './caller.ts'
import { providerKey, routerFor } from './routers.ts'

/** What a fake upstream answers a request with. */
export interface Canned {
  /** @default 200 */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** An object goes out as JSON. @default a completion */
  readonly body?: object | string
  /** The events of a stream in place of a body, one every `everyMs`. */
  readonly events?: readonly string[]
  /** @default 0 */
  readonly everyMs?: number
  /** How the stream ends. @default 'end' */
  readonly ending?: 'end' | 'cut' | 'hang'
  /** How long it takes to its head. @default 0; Infinity never answers */
  readonly afterMs?: number
  /** Breaks the connection with this error in place of an answer. */
  readonly fails?: Error
}

/** A request that reached a fake upstream. */
interface Heard {
  readonly atMs: number
  readonly path: string
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it is the test's to say
  readonly body: any
  /** When the router gave it up. */
  abortedAtMs?: number
  over: boolean
}

/** Answers one request; `index` counts from 0. */
export type Answering = (request: Heard, index: number) => Canned

/** An upstream without a socket: every answer comes when a fake clock says so. */
interface FakeUpstream {
  readonly dispatcher: Dispatcher
  readonly requests: readonly Heard[]
  /** What the requests from now on get. */
  respond(answering: Answering | Canned): void
  /** How many requests are under way. */
  underWay(): number
}

function fakeUpstream(clock: FakeClock, answering: Answering | Canned = {}): FakeUpstream {
  const requests: Heard[] = []
  let respond = answering
  const dispatch = (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => {
    const body = options.body ? JSON.parse(Buffer.from(options.body as Uint8Array).toString()) : undefined
    const heard: Heard = { atMs: clock.now(), path: options.path, body, over: false }
    requests.push(heard)
    const canned = typeof respond === 'function' ? respond(heard, requests.length - 1) : respond
    answer(canned, heard, handler, clock)
    return true
  }
  return {
    dispatcher: Object.assign(new Dispatcher(), { dispatch }),
    requests,
    respond: (next) => void (respond = next),
    underWay: () => requests.filter(({ over }) => !over).length,
  }
}

function answer(canned: Canned, heard: Heard, handler: Dispatcher.DispatchHandler, clock: FakeClock): void {
  const { afterMs = 0, fails, status = 200, headers = {}, events, everyMs = 0, ending = 'end' } = canned
  const fail = (error: Error) => {
    if (heard.over) return
    heard.over = true
    handler.onResponseError?.(controller, error)
  }
  const controller = {
    paused: false,
    aborted: false,
    reason: null,
    rawHeaders: null,
    pause: () => undefined,
    resume: () => undefined,
    abort(reason: Error) {
      if (heard.over) return
      heard.abortedAtMs = clock.now()
      queueMicrotask(() => fail(reason))
    },
  } as unknown as Dispatcher.DispatchController
  const tell = (run: () => void, inMs: number) => {
    const unlessOver = () => heard.over || run()
    if (inMs > 0) clock.setTimeout(unlessOver, inMs)
    else queueMicrotask(unlessOver)
  }

  handler.onRequestStart?.(controller, {})
  ;(handler as { onRequestSent?(): void }).onRequestSent?.()
  if (afterMs === Infinity) return
  tell(() => {
    if (fails) return fail(fails)
    const type = events ? 'text/event-stream' : typeof canned.body === 'string' ? 'text/html' : 'application/json'
    handler.onResponseStart?.(controller, status, { 'content-type': type, ...headers })
    const pieces = events ?? [textOf(canned)]
    pieces.forEach((piece, index) =>
      tell(() => handler.onResponseData?.(controller, Buffer.from(piece)), index * everyMs),
    )
    tell(
      () => {
        if (ending === 'hang') return
        if (ending === 'cut') return fail(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }))
        heard.over = true
        handler.onResponseEnd?.(controller, {})
      },
      Math.max(0, pieces.length - 1) * everyMs,
    )
  }, afterMs)
}

function textOf({ status = 200, body }: Canned): string {
  if (typeof body === 'string') return body
  return JSON.stringify(body ?? (status === 200 ? completionBody({ content: 'hello' }) : errorBody({})))
}

/** A refusal of a provider. */
export const refused = (status: number, error: Parameters<typeof errorBody>[0] = {}, headers = {}): Canned => ({
  status,
  headers,
  body: errorBody(error),
})

/** A rate limit of a provider. */
export const limited = (headers: Canned['headers'] = {}): Canned =>
  refused(429, { type: 'requests', code: 'rate_limit_exceeded', message: 'Slow down' }, headers)

/** Answers in turn, the last again and again. */
export const turns =
  (...answers: readonly Canned[]): Answering =>
  (_request, index) =>
    answers[Math.min(index, answers.length - 1)]!

/** How a promise stands. */
interface Followed<T> {
  state: 'pending' | 'fulfilled' | 'rejected'
  value?: T
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test expects of it is the test's to say
  error?: any
  atMs?: number
}

/** Models behind fake upstreams, on the route `auto` in the order in which they are named, under a fake clock. */
export interface Yard {
  readonly clock: FakeClock
  readonly router: Router
  readonly upstreams: Readonly<Record<string, FakeUpstream>>
  /** Begins a call and follows it. */
  call(extra?: object, init?: object): Followed<Awaited<ReturnType<Router['handle']>>>
}

/** So that no call outlives its test. */
const longestCallMs = 600_000

type ModelExtra = Parameters<typeof openaiCompatible>[0]

export interface YardOptions extends Partial<Omit<RouterOptions, 'models'>> {
  /** The models: what each upstream answers, and what is particular to the model. Each is a domain by itself unless it says. */
  readonly models: Readonly<
    Record<string, { readonly answers?: Answering | Canned } & Partial<Omit<ModelExtra, 'dispatcher' | 'baseUrl'>>>
  >
}

export function yard({ models, ...options }: YardOptions): Yard {
  const clock = createFakeClock()
  const upstreams: Record<string, FakeUpstream> = {}
  const entries = Object.entries(models).map(([name, { answers, ...extra }]) => {
    const upstream = (upstreams[name] = fakeUpstream(clock, answers))
    const { dispatcher } = upstream
    const baseUrl = `http://${name}.test/v1`
    return [name, openaiCompatible({ baseUrl, apiKey: providerKey, model: 'gpt-4.1', dispatcher, ...extra })] as const
  })
  const router = routerFor({
    models: Object.fromEntries(entries),
    routes: { auto: { models: Object.keys(models) } },
    clock,
    ...options,
  })
  onTestFinished(() => clock.advance(longestCallMs))
  return {
    clock,
    router,
    upstreams,
    call(extra, init) {
      const followed: Followed<Awaited<ReturnType<Router['handle']>>> = { state: 'pending' }
      router.handle({ body: chat(extra), ...init }).then(
        (value) => Object.assign(followed, { state: 'fulfilled', value, atMs: clock.now() }),
        (error: unknown) => Object.assign(followed, { state: 'rejected', error, atMs: clock.now() }),
      )
      return followed
    },
  }
}
