import { inspect } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import {
  SignalboxError,
  type SignalboxErrorCode,
  errorVerdicts,
  errorWithoutStack,
  isSignalboxError,
} from './errors.ts'

const codes = Object.keys(errorVerdicts) as SignalboxErrorCode[]

describe('the error codes', () => {
  it.each(codes)('%s is in lower snake case', (code) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/)
  })

  it('never ask the same model again where no other model may be asked', () => {
    const again = codes.filter((code) => errorVerdicts[code].retryable)
    expect(again.filter((code) => !errorVerdicts[code].movesOn)).toEqual([])
  })

  it("never ask again after the caller's own fault, the caller's leaving, or a broken stream", () => {
    const finals: SignalboxErrorCode[] = [
      'invalid_json',
      'invalid_body',
      'model_not_found',
      'refused',
      'cancelled',
      'deadline_exceeded',
      'upstream_rejected',
      'stream_interrupted',
      'stream_truncated',
      'stream_timeout',
    ]
    for (const code of finals) expect(errorVerdicts[code]).toEqual({ retryable: false, movesOn: false })
  })

  it("ask the next model, and not the same again, after the operator's fault", () => {
    for (const code of ['provider_auth_failed', 'provider_model_not_found', 'upstream_quota_exhausted'] as const)
      expect(errorVerdicts[code]).toEqual({ retryable: false, movesOn: true })
  })
})

describe('a SignalboxError', () => {
  it('takes its verdict from its code', () => {
    for (const code of codes) expect(new SignalboxError(code, 'x')).toMatchObject({ code, ...errorVerdicts[code] })
  })

  it('may be given another verdict', () => {
    expect(new SignalboxError('upstream_error', 'x', { retryable: false })).toMatchObject({
      retryable: false,
      movesOn: true,
    })
    expect(new SignalboxError('refused', 'x', { movesOn: true }).movesOn).toBe(true)
  })

  it('is an Error with its message, cause and stack', () => {
    const cause = new Error('deep')
    const error = new SignalboxError('upstream_error', 'shown', { cause })
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe('SignalboxError')
    expect(error.message).toBe('shown')
    expect(error.cause).toBe(cause)
    expect(error.stack).toContain('errors.test.ts')
    expect('cause' in new SignalboxError('upstream_error', 'x')).toBe(false)
  })

  it('carries what it was given, and no failures at first', () => {
    const error = new SignalboxError('refused', 'x', {
      retryAfterMs: 5,
      model: 'm',
      plugin: 'p',
      param: 'q',
      status: 418,
      reason: 'r',
    })
    expect(error).toMatchObject({
      retryAfterMs: 5,
      model: 'm',
      plugin: 'p',
      param: 'q',
      status: 418,
      reason: 'r',
      failures: [],
    })
  })

  it("shows neither its cause nor the provider's answer as JSON", () => {
    const error = new SignalboxError('upstream_rejected', 'shown', {
      cause: new Error('for the operator'),
      answer: { status: 400, headers: {}, body: Buffer.from('as it came') },
    })
    expect(JSON.stringify(error)).not.toMatch(/operator|answer|body/)
    expect(error.answer?.status).toBe(400)
    expect(inspect(error)).not.toContain('answer')
  })
})

describe('errorWithoutStack', () => {
  it('makes the same error, without the lines that led to it', () => {
    const error = errorWithoutStack('upstream_error', 'shown', { model: 'm' })
    expect(error).toEqual(new SignalboxError('upstream_error', 'shown', { model: 'm' }))
    expect(error.stack).not.toContain('\n')
  })

  it('leaves other errors their stacks, also where it fails itself', () => {
    const { stackTraceLimit } = Error
    errorWithoutStack('upstream_error', 'shown')
    expect(() => errorWithoutStack('no_such_code' as SignalboxErrorCode, 'shown')).toThrow(TypeError)
    expect(Error.stackTraceLimit).toBe(stackTraceLimit)
    expect(new Error('other').stack).toContain('errors.test.ts')
  })

  it('has a stack where a host has frozen what is built in', () => {
    const limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')!
    Object.defineProperty(Error, 'stackTraceLimit', { writable: false })
    try {
      expect(errorWithoutStack('upstream_error', 'shown').stack).toContain('errors.test.ts')
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', limit)
    }
  })
})

describe('isSignalboxError', () => {
  it('tells the error of another copy of the package', async () => {
    vi.resetModules()
    const copy = await import('./errors.ts')
    expect(copy.SignalboxError).not.toBe(SignalboxError)
    const foreign = new copy.SignalboxError('refused', 'x')
    expect(foreign).not.toBeInstanceOf(SignalboxError)
    expect(isSignalboxError(foreign)).toBe(true)
    expect(copy.isSignalboxError(new SignalboxError('refused', 'x'))).toBe(true)
  })

  it.each([
    [new Error('x')],
    [{ code: 'refused', name: 'SignalboxError' }],
    [null],
    [undefined],
    ['refused'],
    [5],
    [() => undefined],
  ])('is false for %o', (value) => {
    expect(isSignalboxError(value)).toBe(false)
  })
})
