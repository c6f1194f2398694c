import { dialects } from '../dialects/index.ts'
import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { DialectName } from '../types.ts'
import { errorAnswer } from './answer.ts'
import type { FaceRequest } from './contract.ts'
import { dialectOfCaller } from './dialect-of-caller.ts'

/** A whole answer, ready to be written by any framework. */
export interface HostAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Uint8Array
}

/** What was asked for, as far as it tells the caller's dialect. */
export interface AskedRequest extends Pick<FaceRequest, 'header'> {
  readonly path: string
}

/**
 * What a host's body parser threw, answered as the router answers; undefined for anything else, which is the host's own.
 * `express.json`, `koa-body` and their kin all give a status: 413 when their limit was passed, 400 for broken JSON.
 */
export function parserErrorAnswer(error: unknown, asked?: AskedRequest): HostAnswer | undefined {
  const known = isSignalboxError(error) ? error : parserError(error)
  if (!known) return undefined
  const answer = errorAnswer(known, dialects[asked ? dialectAt(asked) : 'openai-chat'])
  const length = String(answer.body.length)
  return {
    ...answer,
    headers: { ...answer.headers, 'content-length': length, 'x-request-id': crypto.randomUUID(), connection: 'close' },
  }
}

/** The dialect that is spoken at a path, wherever the router is mounted. */
function dialectAt(asked: AskedRequest): DialectName {
  const named = Object.values(dialects).find((dialect) => asked.path.endsWith(dialect.path))
  return named?.name ?? dialectOfCaller(asked)
}

function parserError(error: unknown): SignalboxError | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { status, statusCode, type, limit } = error as Readonly<Record<string, unknown>>
  const told = status ?? statusCode
  if (told === 413 && (type === 'entity.too.large' || limit !== undefined)) {
    const size = typeof limit === 'number' ? ` of ${limit} bytes` : ''
    const message = `The request body is larger than the limit${size} of the server's body parser`
    return new SignalboxError('request_too_large', message, { cause: error })
  }
  const isBrokenJson = type === 'entity.parse.failed' || (error instanceof SyntaxError && 'body' in error)
  if (told === 400 && isBrokenJson)
    return new SignalboxError('invalid_json', 'The request body is not valid JSON', { cause: error })
  return undefined
}
