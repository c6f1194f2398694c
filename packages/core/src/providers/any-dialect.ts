import { dialects } from '../dialects/index.ts'
import { LossList, nameInAnswer, namesOfLosses } from '../dialects/loss-list.ts'
import { translateError, translateReply } from '../dialects/translate-reply.ts'
import { type TranslatedRequest, translateRequest, translationsOf } from '../dialects/translate.ts'
import { isSignalboxError } from '../errors.ts'
import type { Attempt, Call, Candidate, DialectName, Handler, Reply, Request } from '../types.ts'
import { adapted } from './quirks.ts'

/** Lets a model be asked in any dialect: what it does not speak is translated on the way there and back. */
export function inAnyDialect(
  send: Handler<Attempt>,
  spoken: readonly DialectName[],
  hasQuirks: boolean,
): Handler<Attempt> {
  return (attempt) => {
    if (!spoken.includes(attempt.call.dialect)) return sendTranslated(send, attempt)
    return hasQuirks ? sendAdapted(send, attempt) : send(attempt)
  }
}

async function sendTranslated(send: Handler<Attempt>, attempt: Attempt): Promise<Reply> {
  const { call, candidate } = attempt
  const to = dialects[call.dialect]
  const from = dialects[candidate.dialects[0]!]
  const [writer, reader] = translationsOf(to, from, candidate)
  const { request, lost, skipped } = prepared(call, candidate)
  try {
    const reply = await send({
      ...attempt,
      call: { ...call, dialect: from.name, request, headers: shared(call.headers) },
    })
    const asked = { body: call.request.body, startedAt: call.record.startedAt }
    const losses = new LossList(nameInAnswer)
    const translated = translateReply(reply, { from, to, reader, writer, asked, losses })
    return withDropped(translated, [...lost, ...skipped, ...losses.names])
  } catch (error) {
    throw isSignalboxError(error) ? translateError(error, { from, to }) : error
  }
}

async function sendAdapted(send: Handler<Attempt>, attempt: Attempt): Promise<Reply> {
  const { call, candidate } = attempt
  const { request, lost, skipped } = prepared(call, candidate)
  const reply = await send(request === call.request ? attempt : { ...attempt, call: { ...call, request } })
  return withDropped(reply, [...lost, ...skipped])
}

/** A call's request as a model's provider takes it, and what it has no words for; made once for each. */
export function prepared(call: Call, candidate: Candidate): TranslatedRequest {
  const ofRequest = made.get(call.request) ?? new WeakMap<Candidate, TranslatedRequest>()
  made.set(call.request, ofRequest)
  let known = ofRequest.get(candidate)
  if (!known) {
    known = prepare(call, candidate)
    ofRequest.set(candidate, known)
  }
  return known
}

const made = new WeakMap<Request, WeakMap<Candidate, TranslatedRequest>>()

function prepare({ request, dialect }: Call, candidate: Candidate): TranslatedRequest {
  const { quirks } = candidate
  const isSpoken = candidate.dialects.includes(dialect)
  const there = isSpoken
    ? { request, lost: [], skipped: [] }
    : translateRequest(request, dialects[dialect], dialects[candidate.dialects[0]!], candidate)
  const fit = quirks && adapted(there.request, quirks, candidate.model)
  if (!fit) return there
  return { request: fit.request, lost: [...there.lost, ...fit.lost], skipped: [...there.skipped, ...fit.skipped] }
}

/** The caller's headers but those that are meant for a vendor of its own dialect. */
function shared(headers: Call['headers']): Call['headers'] {
  const names = Object.keys(headers).filter((name) => !/^(openai|anthropic)-/.test(name))
  return Object.fromEntries(names.map((name) => [name, headers[name]!]))
}

function withDropped(reply: Reply, names: readonly string[]): Reply {
  if (names.length === 0) return reply
  return { ...reply, headers: { ...reply.headers, 'x-signalbox-dropped': namesOfLosses(names) } }
}
