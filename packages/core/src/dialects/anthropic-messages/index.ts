import { type SignalboxError, type SignalboxErrorCode, SignalboxError as OwnError } from '../../errors.ts'
import { errorStatuses, errorTypes } from '../../http/errors.ts'
import type { Dialect, ProviderError } from '../dialect.ts'
import { hasValue, isText } from '../json.ts'
import { JsonRequest, parseJsonRequest } from '../json-request.ts'
import { classifyAnswer, classifyEvent, providerError } from './answer.ts'
import { withoutForeignThoughts } from './foreign-thoughts.ts'
import { messagesView, usualMaxTokens } from './request.ts'
import { normaliseUsage } from './usage.ts'
import { messagesTranslation } from './translation.ts'

/** Anthropic's messages. https://platform.claude.com/docs/en/api/messages */
export const anthropicMessages: Dialect = {
  name: 'anthropic-messages',
  surface: 'chat',
  path: '/messages',
  translation: messagesTranslation,
  terminator: Buffer.from('event: message_stop\ndata: {"type":"message_stop"}\n\n'),
  parse(body) {
    const request = parseJsonRequest(body, messagesView)
    if (hasValue(request.body['thread'])) throw threadUnsupported()
    return request
  },
  patch(request, { model, maxOutputTokens }) {
    const patch: Record<string, unknown> = {}
    if (request.model !== model) patch['model'] = model
    if (!hasValue(request.body['max_tokens'])) patch['max_tokens'] = maxOutputTokens ?? usualMaxTokens
    const messages = withoutForeignThoughts(request.body['messages'])
    if (messages) patch['messages'] = messages
    return request instanceof JsonRequest ? request.spliced(patch) : request.with(patch).bytes
  },
  limitOutput: (request, tokens) => request.with({ max_tokens: tokens }),
  wantsUsage: () => true,
  error: (error) => Buffer.from(JSON.stringify(errorBody(ownError(error)))),
  errorEvent: (error) => Buffer.from(errorEvent(ownError(error))),
  told: errorBody,
  toldEvent: errorEvent,
  classifyEvent,
  // Anthropic pads its events with blanks of no fixed number, so that a length says nothing of a text.
  isDelta: () => false,
  classifyAnswer,
  isSaid: ({ path }) => said.test(path),
  joinUsage: normaliseUsage,
  providerError,
}

/** Text of an answer's blocks, and of the events that bring them. */
const said = /^(?:(?:\.message)?\.content\.[^.]+|\.content_block|\.delta)\.text$/

/** Conversations that the provider keeps are not served; the official SDK sends the whole history when it is told so. */
function threadUnsupported(): SignalboxError {
  const message = 'Threads are not kept here: send the whole conversation without `thread`'
  return new OwnError('thread_unsupported_request', message, { param: 'thread' })
}

/** The type that stands for each status, as Anthropic has them. */
const typesByStatus: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

const ownTypes: ReadonlySet<string> = new Set([...Object.values(typesByStatus), 'api_error'])

function ownError({ code, message }: SignalboxError): ProviderError {
  return { message, code, type: typesByStatus[errorStatuses[code]] ?? typeOf(errorTypes[code]) }
}

/** A type of another dialect's as one of Anthropic's. */
function typeOf(type: string | undefined): string {
  if (type !== undefined && ownTypes.has(type)) return type
  if (type === 'insufficient_quota' || type === 'tokens' || type === 'requests') return 'rate_limit_error'
  return 'api_error'
}

function errorBody({ message, type, code, status }: ProviderError): object {
  const known = status === undefined ? undefined : typesByStatus[status]
  const own =
    code !== undefined && Object.hasOwn(errorStatuses, code)
      ? typesByStatus[errorStatuses[code as SignalboxErrorCode]]
      : undefined
  const told = type !== undefined && ownTypes.has(type) ? type : (known ?? own ?? typeOf(type))
  return { type: 'error', error: { type: told, message, ...(isText(code) && { details: { error_code: code } }) } }
}

function errorEvent(error: ProviderError): string {
  return `event: error\ndata: ${JSON.stringify(errorBody(error))}\n\n`
}
