import { describe, expect, it } from 'vitest'
import { type SignalboxErrorCode, errorVerdicts } from '../errors.ts'
import { errorFinals, errorStatuses, errorTypes } from './errors.ts'

const codes = Object.keys(errorVerdicts) as SignalboxErrorCode[]

/** What openai-node asks again by itself, by the status alone. */
const clientsRetry = (status: number) => status === 408 || status === 409 || status === 429 || status >= 500

describe('the table of errors over HTTP', () => {
  it('has a row for every code, and none besides', () => {
    for (const column of [errorStatuses, errorTypes, errorFinals])
      expect(Object.keys(column).toSorted()).toEqual(codes.toSorted())
  })

  it.each(codes)('%s has an error status and a type', (code) => {
    expect(errorStatuses[code]).toBeGreaterThanOrEqual(400)
    expect(errorStatuses[code]).toBeLessThanOrEqual(599)
    expect(errorTypes[code]).toMatch(/^[a-z_]+$/)
  })

  it("never blames the caller's key for the operator's", () => {
    expect(codes.filter((code) => errorStatuses[code] === 401)).toEqual(['unauthenticated', 'invalid_api_key'])
    expect(errorStatuses.provider_auth_failed).toBe(502)
    expect(errorStatuses.provider_model_not_found).toBe(502)
  })

  it.each([
    ['invalid_json', 400, 'invalid_request_error'],
    ['invalid_body', 400, 'invalid_request_error'],
    ['model_not_found', 404, 'invalid_request_error'],
    ['request_too_large', 413, 'invalid_request_error'],
    ['body_consumed', 500, 'configuration_error'],
    ['deadline_exceeded', 504, 'upstream_error'],
    ['upstream_timeout', 504, 'upstream_error'],
    ['upstream_unreachable', 502, 'upstream_error'],
    ['bad_upstream_response', 502, 'upstream_error'],
    ['rate_limit_exceeded', 429, 'requests'],
    ['all_models_unavailable', 503, 'service_unavailable'],
    ['upstream_quota_exhausted', 429, 'insufficient_quota'],
  ] as const)('%s is %i %s', (code, status, type) => {
    expect([errorStatuses[code], errorTypes[code]]).toEqual([status, type])
  })

  it('tells a client not to ask again where its own retries could not help', () => {
    for (const code of [
      'invalid_config',
      'body_consumed',
      'plugin_failed',
      'upstream_quota_exhausted',
      'provider_auth_failed',
      'provider_model_not_found',
    ] as const) {
      expect(clientsRetry(errorStatuses[code])).toBe(true)
      expect(errorFinals[code]).toBe(true)
    }
    expect(codes.filter((code) => errorVerdicts[code].retryable && errorFinals[code])).toEqual([])
  })
})
