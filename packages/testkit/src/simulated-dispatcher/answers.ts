import { completionBody, errorBody, streamEvents } from '../programmable-upstream/openai-fixtures.ts'
import type { LimitState } from './enforced-limits.ts'
import type { DispatcherFault, SimulatedHeaders } from './faults.ts'

/** Tokens that a request takes. */
export interface SimulatedUsage {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** An answer: the pieces of its body, the first of which come with the first token. */
export interface SimulatedAnswer {
  readonly status: number
  readonly headers: SimulatedHeaders
  readonly first?: Uint8Array
  readonly rest: Uint8Array
}

const json = { 'content-type': 'application/json' }
const content = 'A simulated answer.'

export function plainAnswer(model: string, usage: SimulatedUsage, headers: SimulatedHeaders): SimulatedAnswer {
  const body = completionBody({ content, model, usage: usageBody(usage) })
  return { status: 200, headers: { ...json, ...headers }, rest: bytesOf(body) }
}

export function streamedAnswer(model: string, usage: SimulatedUsage, headers: SimulatedHeaders): SimulatedAnswer {
  const [role, first, ...rest] = streamEvents({ content: content.split(/(?= )/), model, usage: usageBody(usage) })
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', ...headers },
    first: Buffer.from(role! + first!),
    rest: Buffer.from(rest.join('')),
  }
}

/** What `GET /models` says, for those who only ask whether anybody is there. */
export const modelList: SimulatedAnswer = { status: 200, headers: json, rest: bytesOf({ object: 'list', data: [] }) }

export function limitedAnswer({ kind, retryAfterMs }: LimitState, told: SimulatedHeaders): SimulatedAnswer {
  const message = `Rate limit reached for ${kind} per minute`
  const wait = Number.isFinite(retryAfterMs) && {
    'retry-after': String(Math.ceil(retryAfterMs / 1_000)),
    'retry-after-ms': String(Math.ceil(retryAfterMs)),
  }
  return {
    status: 429,
    headers: { ...json, ...told, ...wait },
    rest: bytesOf(errorBody({ message, type: kind, code: 'rate_limit_exceeded' })),
  }
}

export function faultAnswer(fault: Exclude<DispatcherFault, string>): SimulatedAnswer {
  const { status, headers, body = errorBody(status === 503 ? { code: 'server_is_overloaded' } : {}) } = fault
  return { status, headers: { ...json, ...headers }, rest: bytesOf(body) }
}

const usageBody = ({ inputTokens, outputTokens }: SimulatedUsage) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
})

function bytesOf(body: object): Uint8Array {
  return Buffer.from(JSON.stringify(body))
}
