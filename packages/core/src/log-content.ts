import type { LogContent } from './config/options.ts'
import type { Call, Reply } from './types.ts'

const defaultMaxLength = 10_000
const removed = '[redacted]'

/** Writes down what a call asks and is answered, redacted, for its log line. */
export interface ContentLog {
  /** Follows an answer, and gives the fields of the log line once it has ended. */
  follow(call: Call, reply: Reply): () => { readonly prompt: string; readonly answer: string }
}

/** Makes a log of contents. What a redactor throws at is not logged at all. */
export function createContentLog({ redact, maxLength = defaultMaxLength }: LogContent): ContentLog {
  const expressions = typeof redact === 'function' ? [] : redact.map((source) => new RegExp(source, 'gu'))
  const cleaned = (text: string) =>
    typeof redact === 'function'
      ? redact(text)
      : expressions.reduce((rest, expression) => rest.replaceAll(expression, removed), text)

  /** Redacted before it is cut: half of a secret is one too. */
  function fit(text: string): string {
    try {
      return cleaned(text).slice(0, maxLength)
    } catch {
      return '[not logged: the redactor failed]'
    }
  }

  return {
    follow(call, { body }) {
      const chunks: Uint8Array[] = body instanceof Uint8Array ? [body] : []
      let bytes = 0
      if (!(body instanceof Uint8Array)) {
        body.tap((chunk) => {
          bytes += chunk.length
          if (bytes <= longestAnswerBytes) chunks.push(chunk)
        })
      }
      return () => ({ prompt: fit(call.request.text), answer: fit(Buffer.concat(chunks).toString()) })
    },
  }
}

/** More of an answer is not kept for the log. */
const longestAnswerBytes = 1024 * 1024
