import { createRecord } from '../record.ts'
import type { Decision, RecordedCall, RequestFacts } from '../routing/decision.ts'
import { rememberTokens } from '../tokens/request.ts'
import type { Call, Request } from '../types.ts'

/** A decision asked for something that is not recorded: a text, or what a plugin handed along. */
export class NotRecorded extends Error {
  override readonly name = 'NotRecorded'

  constructor(what: string) {
    super(`${what} is not recorded`)
  }
}

/** A decision that can be made again. */
export type Redecidable = Decision & Required<Pick<Decision, 'decidedMs' | 'facts'>>

/** The decision of a recorded call; undefined where none was made, or not enough of it is recorded. */
export function redecidable({ decision }: RecordedCall): Redecidable | undefined {
  const { decidedMs, facts, candidates, passedOver, seed } = decision as Partial<Redecidable>
  const isWhole =
    decidedMs !== undefined &&
    facts !== undefined &&
    Array.isArray(candidates) &&
    Array.isArray(passedOver) &&
    seed !== undefined
  return isWhole ? (decision as Redecidable) : undefined
}

/** A recorded call as a strategy meets it: with labels and facts, and without a prompt. What is not recorded throws. */
export function callOf({ callId, time, identity, route }: RecordedCall, decision: Redecidable): Call {
  const { facts, labels, seed, policy } = decision
  const { key, user, team, tags } = identity
  const who = {
    ...(key !== undefined && { key }),
    ...(user !== undefined && { user }),
    ...(team !== undefined && { team }),
    ...(tags && tags.length > 0 && { tags }),
    ...(facts.tier !== undefined && { tier: facts.tier }),
    ...(facts.latencySensitive !== undefined && { latencySensitive: facts.latencySensitive }),
    ...(facts.models && { models: facts.models }),
  }
  const record = createRecord({
    id: callId,
    key: callId,
    identity: who,
    route,
    startedAt: time,
    startedMs: decision.decidedMs,
    seed,
    policy,
  })
  return {
    id: callId,
    key: callId,
    identity: who,
    route: facts.route,
    dialect: facts.dialect,
    surface: facts.surface,
    request: requestOf(facts),
    labels,
    state: absent('what a plugin handed along'),
    signal: new AbortController().signal,
    deadline: Infinity,
    maxCostNanoUsd: facts.maxCostNanoUsd,
    headers: {},
    log: undefined,
    record,
  }
}

function requestOf(facts: RequestFacts): Request {
  const { route, bytes, stream, maxOutputTokens, choices, tools, modality, tokens } = facts
  const request: Request = {
    model: route,
    bytes: { length: bytes } as Uint8Array,
    parameters: {
      stream,
      ...(maxOutputTokens !== undefined && { maxOutputTokens }),
      ...(choices !== undefined && { choices }),
    },
    tools: Array.from({ length: tools }, () => absent('what a tool is')),
    modality: new Set(modality),
    get body() {
      return text()
    },
    get messages() {
      return text()
    },
    get text() {
      return text()
    },
    get media() {
      return text()
    },
    with: text,
    mapText: text,
    withParameters: text,
  }
  if (tokens) rememberTokens(request, tokens)
  return request
}

function text(): never {
  throw new NotRecorded('the text of the prompt')
}

/** An object of which nothing is known. */
function absent(what: string): never {
  const refuse = () => {
    throw new NotRecorded(what)
  }
  return new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse }) as never
}
