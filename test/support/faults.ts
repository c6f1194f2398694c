import { expect, it } from 'vitest'
import type { SignalboxErrorCode } from '@signalbox/core'
import { completion, type Responder, type Script, stream, streamEvents } from '@signalbox/testkit'
import { type Answer, chat, send } from './caller.ts'
import { type Mount, type Mounted, describeMounts } from './mounts.ts'
import { type OverOptions, type Told, listenTo, routerOver, upstreamThat } from './routers.ts'

/** A case of faults.md: a model that fails, and what must come of it. */
export interface Fault {
  /** The case's number in faults.md. */
  readonly number: number
  /** What the provider does, behind "a provider that ...". */
  readonly title: string
  /** What it writes, or where it is not. */
  readonly upstream: Script | Responder | (() => Promise<{ readonly baseUrl: string }>)
  /** Fields of the request besides model and messages. */
  readonly request?: object
  readonly router?: OverOptions
  /** What the attempt is noted as. */
  readonly outcome: SignalboxErrorCode
  /** Finer than the code. */
  readonly reason?: string
  /** How many attempts are made when there is no other model. @default 1 */
  readonly attempts?: number
  /** Whether the next model is asked. @default true */
  readonly movesOn?: boolean
  /** What the caller gets when no model is left, or none is asked. */
  readonly last: {
    readonly status: number
    readonly type: string | null
    readonly code: string | number | null
    readonly headers?: Readonly<Record<string, string>>
    readonly message?: string
  }
  /** The kind of an event that must be told. */
  readonly tells?: { readonly alert?: string; readonly warning?: string }
  /** What the caller must not find in the answer. */
  readonly hides?: string
}

/** What the next model answers, as a stream where the request asks for one. */
export const fromTheSecond: Responder = (request) =>
  (request.json() as { stream?: boolean }).stream
    ? stream(streamEvents({ content: ['from the second'] }))
    : completion({ content: 'from the second' })

/** Runs cases on every mount: each with no other model, and each with another one behind it. */
export function describeFaults(name: string, faults: readonly Fault[]): void {
  const answers = new Map<string, object>()
  describeMounts(name, (mount) => {
    it.each(faults)('case $number: a provider that $title: what the caller gets', async (fault) => {
      const { answer, told } = await meet(mount, fault, [])

      expect(answer.status).toBe(fault.last.status)
      expectLast(fault, answer, told)
      expectSameOnAllMounts(answers, `${fault.number} ${fault.title}`, answer)
    })

    it.each(faults.filter(movesOn))('case $number: a provider that $title: the next model answers', async (fault) => {
      const second = await upstreamThat(fromTheSecond)
      const { answer, told } = await meet(mount, fault, [second])

      expect(answer.status).toBe(200)
      expect(answer.text).toContain('from the second')
      expect(answer.headers['x-signalbox-model']).toBe('second')
      expect(second.requests).toHaveLength(1)
      const failover = { from: 'first', to: 'second', reason: fault.outcome, route: 'auto' }
      expect(failoversIn(told)).toMatchObject([failover])
      expectAttempts(told, [fault.outcome, 'ok'])
    })

    it.each(faults.filter((fault) => !movesOn(fault)))(
      'case $number: a provider that $title: no other model is asked',
      async (fault) => {
        const second = await upstreamThat(fromTheSecond)
        const { answer, told } = await meet(mount, fault, [second])

        expect(answer.status).toBe(fault.last.status)
        expect(second.requests).toHaveLength(0)
        expect(failoversIn(told)).toEqual([])
      },
    )
  })
}

const movesOn = (fault: Fault) => fault.movesOn !== false

const failoversIn = (told: readonly Told[]) =>
  told.filter(({ event }) => event === 'failover').map(({ payload }) => payload)

async function meet(mount: Mount, fault: Fault, others: readonly { baseUrl: string }[]) {
  const { upstream, router: options } = fault
  const first = isPlace(upstream) ? await upstream() : await upstreamThat(upstream)
  const router = routerOver([first, ...others], options)
  const told = listenTo(router)
  const mounted: Mounted = await mount.serve(router)
  const answer = await send(mounted, { body: chat(fault.request) })
  expect(mounted.hostErrors).toEqual([])
  return { answer, told }
}

const isPlace = (upstream: Fault['upstream']): upstream is () => Promise<{ readonly baseUrl: string }> =>
  typeof upstream === 'function' && upstream.length === 0

function expectLast(fault: Fault, answer: Answer, told: readonly Told[]): void {
  const { type, code, headers = {}, message = '' } = fault.last
  const { attempts = 1, reason, hides } = fault
  expect(answer.headers['content-type']).toBe('application/json')
  expect(answer.headers['x-request-id']).toMatch(/^[\da-f-]{36}$/)
  expect(answer.headers['x-signalbox-attempts']).toBe(String(attempts))
  for (const name of ['retry-after', 'retry-after-ms', 'x-should-retry'])
    expect(answer.headers[name]).toBe(headers[name])
  const words: unknown = expect.stringContaining(message)
  expect(answer.json()).toEqual({ error: { message: words, type, param: null, code } })
  expect(hides !== undefined && answer.text.includes(hides)).toBe(false)
  expectAttempts(
    told,
    Array.from({ length: attempts }, () => fault.outcome),
  )
  const last = told.findLast(({ event, payload }) => event === 'attempt.ended' && payload.error)!
  expect(last.payload.error).toMatchObject({ code: fault.outcome, ...(reason !== undefined && { reason }) })
  expectTold(fault, told)
}

function expectAttempts(told: readonly Told[], outcomes: readonly string[]): void {
  const { record } = told.find(({ event }) => event === 'call.ended')!.payload
  expect(record.attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual(outcomes)
}

function expectTold({ tells = {} }: Fault, told: readonly Told[]): void {
  for (const event of ['alert', 'warning'] as const) {
    const kinds = told.filter((one) => one.event === event).map(({ payload }) => payload.kind as string)
    expect([...new Set(kinds)]).toEqual(tells[event] === undefined ? [] : [tells[event]])
  }
}

const ownToEach = new Set(['date', 'x-request-id'])

/** Express, Koa and the plain listener answer with the same bytes. */
function expectSameOnAllMounts(answers: Map<string, object>, name: string, { status, headers, text }: Answer): void {
  const same = Object.fromEntries(Object.entries(headers).filter(([key]) => !ownToEach.has(key)))
  const answer = { status, headers: same, text }
  answers.set(name, answers.get(name) ?? answer)
  expect(answer).toEqual(answers.get(name))
}
