import { eachText } from './answer-text/each-text.ts'
import type { LogContent } from './config/options.ts'
import { collect, eventsOf } from './dialects/change-kind.ts'
import { dialects } from './dialects/index.ts'
import { parseExactly, parseJson } from './dialects/json.ts'
import { parseEvent } from './dialects/sse.ts'
import { isRecord } from './is-record.ts'
import type { Call, Ended, Reply } from './types.ts'

const defaultMaxLength = 10_000
const removed = '[redacted]'

/** Writes down what a call asks and is answered, redacted, for its log line. */
export interface ContentLog {
  /** Follows an answer, and gives the fields of the log line once it has ended. */
  follow(call: Call, reply: Reply): (ended: Ended) => { readonly prompt: string; readonly answer: string }
}

const redactorFailed = new Error('the redactor failed')

/** Makes a log of contents. What a redactor throws at is not logged at all, nor what is nested too deep to be read. */
export function createContentLog({ redact, maxLength = defaultMaxLength }: LogContent): ContentLog {
  const expressions = typeof redact === 'function' ? [] : redact.map((source) => new RegExp(source, 'gu'))

  function cleaned(text: string): string {
    if (typeof redact !== 'function')
      return expressions.reduce((rest, expression) => rest.replaceAll(expression, removed), text)
    try {
      return redact(text)
    } catch {
      throw redactorFailed
    }
  }

  /** Text by text, as it was before JSON escaped it, and then all of it. */
  function cleanedJson(json: string): string {
    const data = parseExactly(json)
    if (!isRecord(data)) return cleaned(json)
    eachText(data, everyText, ({ text, put }) => put(cleaned(text)))
    return cleaned(JSON.stringify(data))
  }

  /** Redacted before it is cut: half of a secret is one too. */
  function fit(read: () => string): string {
    try {
      return read().slice(0, maxLength)
    } catch (error) {
      return error === redactorFailed ? '[not logged: the redactor failed]' : '[not logged: it cannot be read]'
    }
  }

  return {
    follow(call, reply) {
      const { body } = reply
      const chunks: Uint8Array[] = body instanceof Uint8Array ? [body] : []
      let bytes = 0
      if (!(body instanceof Uint8Array)) {
        body.tap((chunk) => {
          bytes += chunk.length
          if (bytes <= longestAnswerBytes) chunks.push(chunk)
        })
      }
      return ({ usage }) => {
        const answer = Buffer.concat(chunks)
        const whole = body instanceof Uint8Array ? answer : wholeOf(answer, call, reply, usage)
        return {
          prompt: fit(() => cleaned(call.request.text)),
          answer: fit(() => (whole ? cleanedJson(whole.toString()) : cleaned(saidIn(answer, reply)))),
        }
      }
    },
  }
}

const everyText = () => true

/** The plain answer that a stream amounts to: in its events what is to be taken out may stand in pieces. */
function wholeOf(stream: Buffer, { request, record }: Call, { dialect }: Reply, usage: Ended['usage']) {
  // A plain answer is made of the first choice alone.
  if ((request.parameters.choices ?? 1) > 1) return undefined
  try {
    const asked = { body: request.body, startedAt: record.startedAt }
    const plain = collect(stream, dialects[dialect], asked, usage)
    return plain && Buffer.from(plain)
  } catch {
    return undefined
  }
}

/** What a model said in a stream that broke off, or that no plain answer can say: each of its texts in one piece. */
function saidIn(stream: Uint8Array, { dialect }: Reply): string {
  const texts = new Map<string, string>()
  for (const event of eventsOf(stream)) {
    const { data } = parseEvent(event)
    const json = data === undefined ? undefined : parseJson(data)
    if (!isRecord(json)) continue
    const { type, index, output_index: output, content_index: content } = json
    const place = [type, index, output, content].join(' ')
    eachText(json, dialects[dialect].isSaid, ({ text, path }) => {
      const name = `${place}${path}`
      texts.set(name, (texts.get(name) ?? '') + text)
    })
  }
  return [...texts.values()].filter((text) => text !== '').join('\n')
}

/** More of an answer is not kept for the log. */
const longestAnswerBytes = 1024 * 1024
