import { describe, expect, it } from 'vitest'
import { SignalboxError, type SignalboxErrorCode, errorVerdicts } from '../errors.ts'
import { codeOfRefusal, failureOfConnection, impliedStatus, mayMoveOn, withCode } from './failure.ts'

const refusal = (status: number, error: { type?: string; code?: string } = {}) =>
  codeOfRefusal({ status, error: { message: 'm', ...error } })

const failure = (code: string, answered = false) =>
  failureOfConnection(Object.assign(new Error('secret detail'), { code }), answered, 'm')

describe("a provider's refusal", () => {
  it.each<[number, { type?: string; code?: string }, SignalboxErrorCode]>([
    [400, { type: 'invalid_request_error' }, 'upstream_rejected'],
    [400, { code: 'context_length_exceeded' }, 'upstream_rejected'],
    [400, { code: 'content_filter' }, 'upstream_rejected'],
    [400, { code: 'billing_hard_limit_reached' }, 'upstream_quota_exhausted'],
    [401, { code: 'invalid_api_key' }, 'provider_auth_failed'],
    [402, {}, 'upstream_quota_exhausted'],
    [403, {}, 'provider_auth_failed'],
    [403, { code: 'model_not_found' }, 'provider_model_not_found'],
    [403, { code: 'content_filter' }, 'upstream_rejected'],
    [404, { code: 'model_not_found' }, 'provider_model_not_found'],
    [408, {}, 'upstream_error'],
    [409, {}, 'upstream_rejected'],
    [413, {}, 'upstream_rejected'],
    [415, {}, 'upstream_rejected'],
    [422, {}, 'upstream_rejected'],
    [498, {}, 'upstream_overloaded'],
    [429, {}, 'upstream_rate_limited'],
    [429, { code: 'rate_limit_exceeded' }, 'upstream_rate_limited'],
    [429, { code: 'slow_down' }, 'upstream_rate_limited'],
    [429, { code: 'insufficient_quota' }, 'upstream_quota_exhausted'],
    [429, { type: 'insufficient_quota' }, 'upstream_quota_exhausted'],
    [429, { code: 'credit_balance_exhausted' }, 'upstream_quota_exhausted'],
    [429, { code: 'project_spend_limit_exceeded' }, 'upstream_quota_exhausted'],
    [429, { code: 'organization_spend_limit_exceeded' }, 'upstream_quota_exhausted'],
    [429, { code: 'organization_usage_limit_exceeded' }, 'upstream_quota_exhausted'],
    [429, { type: 'rate_limit_error', code: 'enforced_spend_limit_reached' }, 'upstream_quota_exhausted'],
    [500, {}, 'upstream_error'],
    [500, { code: 'server_is_overloaded' }, 'upstream_overloaded'],
    [502, {}, 'upstream_error'],
    [503, {}, 'upstream_overloaded'],
    [503, { code: 'server_is_overloaded' }, 'upstream_overloaded'],
    [504, {}, 'upstream_error'],
    [529, { type: 'overloaded_error' }, 'upstream_overloaded'],
    [200, {}, 'bad_upstream_response'],
    [302, {}, 'bad_upstream_response'],
  ])('of %i %j is %s', (status, error, code) => {
    expect(refusal(status, error)).toBe(code)
  })

  it.each([
    'prompt is too long: 209353 tokens > 199999 maximum',
    'input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length',
    "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens",
    'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
    'Your input exceeds the context window of this model. Please adjust your input and try again.',
    'The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).',
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    'the request exceeds the available context size, try increasing it',
  ])('that says "%s" is of a window too small, unless it is a rate limit', (message) => {
    expect(withCode({ message }, 400).code).toBe('context_length_exceeded')
    expect(withCode({ message, code: '3051' }, 422).code).toBe('context_length_exceeded')
    expect(withCode({ message }, 429).code).toBeUndefined()
  })

  it.each([
    'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.',
    'You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.',
    'You have reached your specified workspace API usage limits.',
  ])('that says "%s" is of money', (message) => {
    const error = withCode({ message, type: 'invalid_request_error' }, 400)
    expect(codeOfRefusal({ status: 400, error })).toBe('upstream_quota_exhausted')
  })

  it('of a request that alone is over a limit per minute is no rate limit: waiting helps nobody', () => {
    const message =
      'Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 50000.'
    for (const status of [413, 429]) {
      const refused = { status, error: withCode({ message, type: 'tokens', code: 'rate_limit_exceeded' }, status) }
      expect([codeOfRefusal(refused), mayMoveOn(refused)]).toEqual(['upstream_rejected', true])
    }
  })

  it('of a 403 is of the prompt where its words say so', () => {
    const message = 'openai/gpt-4o requires moderation on OpenAI. Your input was flagged for "violence".'
    expect(codeOfRefusal({ status: 403, error: withCode({ message }, 403) })).toBe('upstream_rejected')
  })

  it('keeps its code where its words say nothing of that', () => {
    const error = { message: 'max_tokens: 70000 > 64000, which is the maximum allowed number of output tokens' }
    expect(withCode(error, 400)).toBe(error)
  })

  it('is told by its status where its body said nothing', () => {
    expect(codeOfRefusal({ status: 429, error: undefined })).toBe('upstream_rate_limited')
    expect(codeOfRefusal({ status: 400, error: undefined })).toBe('upstream_rejected')
  })

  it('has a code for every status, and only a 4xx can be the fault of the caller', () => {
    for (let status = 100; status < 600; status++) {
      const code = refusal(status)
      expect(errorVerdicts).toHaveProperty(code)
      expect(code === 'upstream_rejected' && Math.floor(status / 100) !== 4).toBe(false)
    }
  })

  it('moves on to another model, but for what the caller did', () => {
    for (let status = 300; status < 600; status++) {
      const code = refusal(status)
      expect(errorVerdicts[code].movesOn).toBe(code !== 'upstream_rejected')
    }
  })
})

describe('an error inside a success', () => {
  it.each([
    [{ status: 418 }, 418],
    [{ code: 'rate_limit_exceeded' }, 429],
    [{ type: 'rate_limit_error' }, 429],
    [{ code: 'server_is_overloaded', type: 'server_error' }, 503],
    [{ type: 'overloaded_error' }, 529],
    [{ type: 'invalid_request_error' }, 400],
    [{ code: 'unheard_of', type: 'authentication_error' }, 401],
    [{ code: 'unheard_of' }, 502],
    [{ code: 'constructor', type: '__proto__' }, 502],
    [{}, 502],
  ])('%j stands for the status %i', (error, status) => {
    expect(impliedStatus({ message: 'm', ...error })).toBe(status)
  })
})

describe("a connection's error", () => {
  it.each<[string, SignalboxErrorCode]>([
    ['ECONNREFUSED', 'upstream_unreachable'],
    ['ENOTFOUND', 'upstream_unreachable'],
    ['EAI_AGAIN', 'upstream_unreachable'],
    ['EHOSTUNREACH', 'upstream_unreachable'],
    ['ETIMEDOUT', 'upstream_unreachable'],
    ['UND_ERR_CONNECT_TIMEOUT', 'upstream_unreachable'],
    ['UND_ERR_DESTROYED', 'upstream_unreachable'],
    ['ECONNRESET', 'upstream_reset'],
    ['EPIPE', 'upstream_reset'],
    ['UND_ERR_SOCKET', 'upstream_reset'],
    ['', 'upstream_reset'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'upstream_tls'],
    ['CERT_HAS_EXPIRED', 'upstream_tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'upstream_tls'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'upstream_tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'upstream_tls'],
    ['HPE_INVALID_CONSTANT', 'bad_upstream_response'],
    ['UND_ERR_HEADERS_OVERFLOW', 'bad_upstream_response'],
  ])('%s before an answer is %s', (code, expected) => {
    expect(failure(code)).toMatchObject({ code: expected, model: 'm' })
  })

  it('after the first byte of an answer says that it broke off, and is not retried', () => {
    expect(failure('ECONNRESET', true)).toMatchObject({
      code: 'bad_upstream_response',
      reason: 'truncated',
      retryable: false,
    })
    expect(failure('HPE_INVALID_CHUNK_SIZE', true)).toMatchObject({ reason: 'protocol' })
  })

  it('is kept as the cause, and nothing of it is shown', () => {
    const error = failure('ECONNREFUSED')
    expect((error.cause as Error).message).toBe('secret detail')
    expect(error.message).not.toContain('secret')
  })

  it('is found inside another, and among several', () => {
    const inner = Object.assign(new Error('x'), { code: 'ENOTFOUND' })
    expect(failureOfConnection(new Error('outer', { cause: inner }), false, 'm').code).toBe('upstream_unreachable')
    expect(failureOfConnection(new AggregateError([inner]), false, 'm').code).toBe('upstream_unreachable')
  })

  it('that is ours already stays as it is', () => {
    const own = new SignalboxError('upstream_unreachable', 'x')
    expect(failureOfConnection(own, false, 'm')).toBe(own)
  })
})
