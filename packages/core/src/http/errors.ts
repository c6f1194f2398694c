import type { SignalboxError, SignalboxErrorCode } from '../errors.ts'

interface Row {
  readonly status: number
  readonly type: string
  /** Whether the caller's client is told not to ask again by itself (`x-should-retry: false`). */
  readonly final?: true
}

/**
 * What each code is over HTTP. A provider's own error answer that is passed on keeps its own status and body instead.
 */
const table: Readonly<Record<SignalboxErrorCode, Row>> = {
  invalid_config: { status: 500, type: 'configuration_error', final: true },
  body_consumed: { status: 500, type: 'configuration_error', final: true },
  plugin_failed: { status: 500, type: 'configuration_error', final: true },
  plugin_timeout: { status: 500, type: 'configuration_error', final: true },
  internal_error: { status: 500, type: 'server_error', final: true },

  invalid_json: { status: 400, type: 'invalid_request_error' },
  invalid_body: { status: 400, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  route_not_allowed: { status: 403, type: 'permission_error' },
  untranslatable: { status: 400, type: 'invalid_request_error' },
  thread_unsupported_request: { status: 400, type: 'invalid_request_error' },
  state_unsupported: { status: 400, type: 'invalid_request_error' },
  unauthenticated: { status: 401, type: 'authentication_error' },
  invalid_api_key: { status: 401, type: 'authentication_error', final: true },
  forbidden: { status: 403, type: 'permission_error' },
  not_found: { status: 404, type: 'invalid_request_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  idempotency_mismatch: { status: 400, type: 'invalid_request_error', final: true },
  request_too_large: { status: 413, type: 'invalid_request_error' },
  refused: { status: 403, type: 'permission_error' },

  cancelled: { status: 499, type: 'invalid_request_error' },
  deadline_exceeded: { status: 504, type: 'upstream_error' },
  shutting_down: { status: 503, type: 'service_unavailable' },

  rate_limit_exceeded: { status: 429, type: 'requests' },
  limit_exceeded: { status: 400, type: 'invalid_request_error' },
  budget_exceeded: { status: 429, type: 'insufficient_quota', final: true },
  max_cost_exceeded: { status: 400, type: 'invalid_request_error', final: true },
  price_unknown: { status: 400, type: 'invalid_request_error', final: true },
  ledger_unavailable: { status: 503, type: 'service_unavailable' },
  store_unavailable: { status: 503, type: 'service_unavailable' },
  model_unavailable: { status: 503, type: 'service_unavailable' },
  context_length_exceeded: { status: 400, type: 'invalid_request_error' },
  all_models_unavailable: { status: 503, type: 'service_unavailable' },

  upstream_rejected: { status: 400, type: 'invalid_request_error' },
  upstream_rate_limited: { status: 429, type: 'upstream_error' },
  upstream_quota_exhausted: { status: 429, type: 'insufficient_quota', final: true },
  upstream_overloaded: { status: 503, type: 'upstream_error' },
  upstream_error: { status: 502, type: 'upstream_error' },
  provider_auth_failed: { status: 502, type: 'upstream_error', final: true },
  provider_model_not_found: { status: 502, type: 'upstream_error', final: true },

  upstream_unreachable: { status: 502, type: 'upstream_error' },
  upstream_tls: { status: 502, type: 'upstream_error' },
  upstream_reset: { status: 502, type: 'upstream_error' },
  upstream_timeout: { status: 504, type: 'upstream_error' },
  bad_upstream_response: { status: 502, type: 'upstream_error' },
  answer_rejected: { status: 502, type: 'upstream_error' },

  stream_interrupted: { status: 502, type: 'upstream_error' },
  stream_truncated: { status: 502, type: 'upstream_error' },
  stream_timeout: { status: 504, type: 'upstream_error' },
}

type Column<K extends keyof Row> = Readonly<Record<SignalboxErrorCode, Row[K]>>

const column = <K extends keyof Row>(key: K): Column<K> =>
  Object.fromEntries(Object.entries(table).map(([code, row]) => [code, row[key]])) as Column<K>

/** The HTTP status of each code. */
export const errorStatuses = column('status')
/** The `type` that stands beside each code in an error body. */
export const errorTypes = column('type')
/** The `type` of one error: a limit that is reached is told by what it counts. */
export function errorTypeOf({ code, limit }: SignalboxError): string {
  return code === 'rate_limit_exceeded' && limit ? (limit.kind === 'tokens' ? 'tokens' : 'requests') : errorTypes[code]
}

/** The codes after which a client must not ask again by itself. */
export const errorFinals = column('final')
