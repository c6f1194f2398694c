import { dialects } from '../dialects/index.ts'
import { translateError, translateReply } from '../dialects/translate-reply.ts'
import { type TranslatedRequest, translateRequest, translationsOf } from '../dialects/translate.ts'
import type { Target } from '../dialects/translation.ts'
import { isSignalboxError } from '../errors.ts'
import type { Attempt, Call, Candidate, DialectName, Handler, Reply, Request } from '../types.ts'

/** Lets a model be asked in any dialect: what it does not speak is translated on the way there and back. */
export function inAnyDialect(send: Handler<Attempt>, spoken: readonly DialectName[]): Handler<Attempt> {
  return (attempt) => (spoken.includes(attempt.call.dialect) ? send(attempt) : sendTranslated(send, attempt))
}

async function sendTranslated(send: Handler<Attempt>, attempt: Attempt): Promise<Reply> {
  const { call, candidate } = attempt
  const to = dialects[call.dialect]
  const from = dialects[candidate.dialects[0]!]
  const [writer, reader] = translationsOf(to, from, candidate)
  const { request, lost, skipped } = translated(call, candidate)
  try {
    const reply = await send({
      ...attempt,
      call: { ...call, dialect: from.name, request, headers: shared(call.headers) },
    })
    const asked = { body: call.request.body, startedAt: call.record.startedAt }
    return withDropped(translateReply(reply, { from, to, reader, writer, asked }), [...lost, ...skipped])
  } catch (error) {
    throw isSignalboxError(error) ? translateError(error, { from, to }) : error
  }
}

/** A call's request in the dialect of a model that does not speak the caller's; made once for each. */
export function translated({ request, dialect }: Call, candidate: Candidate): TranslatedRequest {
  const ofRequest = made.get(request) ?? new WeakMap<Target, TranslatedRequest>()
  made.set(request, ofRequest)
  let known = ofRequest.get(candidate)
  if (!known) {
    known = translateRequest(request, dialects[dialect], dialects[candidate.dialects[0]!], candidate)
    ofRequest.set(candidate, known)
  }
  return known
}

const made = new WeakMap<Request, WeakMap<Target, TranslatedRequest>>()

/** The caller's headers but those that are meant for a vendor of its own dialect. */
function shared(headers: Call['headers']): Call['headers'] {
  const names = Object.keys(headers).filter((name) => !/^(openai|anthropic)-/.test(name))
  return Object.fromEntries(names.map((name) => [name, headers[name]!]))
}

/** Names in the header at the most, and characters in each: they are the caller's own. */
const mostNames = 20
const longestName = 60

function withDropped(reply: Reply, names: readonly string[]): Reply {
  if (names.length === 0) return reply
  const shown = names.slice(0, mostNames).map((name) => name.slice(0, longestName).replaceAll(/[^\w.[\]-]/g, '?'))
  return { ...reply, headers: { ...reply.headers, 'x-signalbox-dropped': shown.join(', ') } }
}
