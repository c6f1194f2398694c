/** The body of an error in OpenAI's shape. */
export interface OpenAiErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null }
}

/** A refusal: what the simulated provider writes instead of an answer. */
export interface Refusal {
  status: number
  body: unknown
  headers?: Record<string, string>
}

interface ErrorDetails {
  type?: string
  param?: string | null
  code?: string | null
}

export function openAiError(message: string, details: ErrorDetails = {}): OpenAiErrorBody {
  const { type = 'invalid_request_error', param = null, code = null } = details
  return { error: { message, type, param, code } }
}

export function badRequest(message: string, param: string | null = null, code: string | null = null): Refusal {
  return { status: 400, body: openAiError(message, { param, code }) }
}

export function wrongType(param: string, expected: string, got: unknown): Refusal {
  const message = `Invalid type for '${param}': expected ${expected}, but got ${nameOfType(got)} instead.`
  return badRequest(message, param, 'invalid_type')
}

function nameOfType(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

const usualErrors: Record<number, [message: string, type: string, code: string | null]> = {
  400: ['The request was refused.', 'invalid_request_error', null],
  401: ['Incorrect API key provided.', 'invalid_request_error', 'invalid_api_key'],
  403: ['You are not allowed to use this model.', 'invalid_request_error', 'permission_denied'],
  404: ['The model does not exist or you do not have access to it.', 'invalid_request_error', 'model_not_found'],
  408: ['Request timed out.', 'server_error', 'request_timeout'],
  429: ['Rate limit reached for requests. Please try again later.', 'requests', 'rate_limit_exceeded'],
  500: ['The server had an error while processing your request. Sorry about that!', 'server_error', null],
  503: ['The server is overloaded. Please try again later.', 'server_error', 'server_is_overloaded'],
  529: ['Overloaded', 'overloaded_error', null],
}

/** What OpenAI would say with this status, for a fault that names no body. */
export function usualError(status: number): OpenAiErrorBody {
  const [message, type, code] = usualErrors[status] ?? [`Simulated status ${status}.`, 'server_error', null]
  return openAiError(message, { type, code })
}
