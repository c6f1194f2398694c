/* oxlint-disable unicorn/consistent-function-scoping -- what a test hands in stands in the test */
import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it } from 'vitest'
import { type CallInit, chanceOf, createCall, modelNotFound } from './call.ts'
import { isSignalboxError } from './errors.ts'
import type { Route, RouteTable } from './routing/route-table.ts'
import type { Services } from './types.ts'

const route = { name: 'auto', callMs: 1_000 } as Route
const routes: RouteTable = {
  find: (name) => (name === 'auto' ? route : undefined),
  names: ['auto'],
  models: [],
  everywhere: [],
}

function make(init: Partial<CallInit> = {}, over: Partial<Services> = {}) {
  const services: Services = {
    clock: createFakeClock({ wallTime: 5_000 }),
    random: () => 0.5,
    logger: undefined,
    ...over,
  }
  const body = { model: 'auto', messages: [] }
  return createCall({ body, ...init }, { ...services, routes, policy: 'p' }, { end: new AbortController() })
}

function faultOf(init: Partial<CallInit>) {
  try {
    make(init)
  } catch (error) {
    if (isSignalboxError(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a call', () => {
  it('needs a body and nothing else', () => {
    const call = make()
    expect(call).toMatchObject({
      route: 'auto',
      dialect: 'openai-chat',
      surface: 'chat',
      identity: {},
      labels: {},
      state: {},
      headers: {},
      deadline: 1_000,
    })
    expect(call.id).toMatch(/^[\da-f-]{36}$/)
    expect(call.signal.aborted).toBe(false)
    expect('parent' in call).toBe(false)
  })

  it('takes what it is given', () => {
    const identity = { user: 'u' }
    const headers = { traceparent: 't' }
    const call = make({ id: 'i', parent: 'p', identity, headers })
    expect(call).toMatchObject({ id: 'i', parent: 'p', identity, headers })
  })

  it('has a record that begins with it', () => {
    const call = make({ id: 'i', identity: { user: 'u' }, parent: 'p' })
    expect(call.record).toEqual({
      id: 'i',
      key: call.key,
      parent: 'p',
      identity: { user: 'u' },
      route: 'auto',
      startedAt: 5_000,
      startedMs: 0,
      seed: 2 ** 31,
      policy: 'p',
      passedOver: [],
      labels: {},
      strategy: '',
      candidates: [],
      attempts: [],
      failovers: [],
      outcome: 'pending',
    })
  })

  it('has a key of its own, also where an id comes twice', () => {
    expect(make({ id: 'i' }).key).not.toBe(make({ id: 'i' }).key)
  })

  it('has the same chance however often it is asked', () => {
    const call = make()
    const draw = () => Array.from({ length: 5 }, chanceOf(call))
    expect(draw()).toEqual(draw())
    expect(new Set(draw()).size).toBe(5)
    const [other] = [make({}, { random: () => 0.25 })]
    expect(Array.from({ length: 5 }, chanceOf(other))).not.toEqual(draw())
  })

  it('may be given less time, and not more', () => {
    expect(make({ timeoutMs: 400 }).deadline).toBe(400)
    expect(make({ timeoutMs: 5_000 }).deadline).toBe(1_000)
  })

  it('logs where it is told, or else where the router does', () => {
    const nothing = () => undefined
    const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
    const log = { ...logger }
    expect(make({}, { logger }).log).toBe(logger)
    expect(make({ log }, { logger }).log).toBe(log)
  })
})

describe('a call that cannot be', () => {
  it.each<[unknown, string]>([
    [Buffer.from('{'), 'invalid_json'],
    [Buffer.from(''), 'invalid_json'],
    [[], 'invalid_body'],
    [{}, 'invalid_body'],
    [{ model: 7 }, 'invalid_body'],
    [{ model: 'other' }, 'model_not_found'],
  ])('is refused: %j', (body, code) => {
    expect(faultOf({ body: body as object }).code).toBe(code)
  })

  it.each([['__proto__'], ['constructor'], ['toString'], ['hasOwnProperty']])(
    'is one for the model %s, which there is not',
    (model) => {
      expect(faultOf({ body: Buffer.from(JSON.stringify({ model })) })).toMatchObject({
        code: 'model_not_found',
        param: 'model',
      })
    },
  )

  it('shows the name that was asked for without a line break, an escape or more than 100 characters of it', () => {
    const error = modelNotFound(`a\r\nx-evil: 1\u001b[31m${'x'.repeat(10_000)}`)
    // oxlint-disable-next-line no-control-regex -- that is the point
    expect(error.message).not.toMatch(/[\u0000-\u001f]/)
    expect(error.message.length).toBeLessThan(200)
  })
})
