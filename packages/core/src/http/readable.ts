import { Readable } from 'node:stream'
import type { Sink } from '../types.ts'
import type { Endpoint, FaceAnswer } from './contract.ts'
import { brokenStream } from './node.ts'

/** The body of an answer as a Node stream, for frameworks that take one. Destroying it gives the answer up. */
export function readableBody(answer: FaceAnswer, endpoint: Endpoint): Uint8Array | Readable {
  const { body } = answer
  if (body instanceof Uint8Array) return body
  let onDrain: (() => void) | undefined
  const readable = new Readable({
    read() {
      const resume = onDrain
      onDrain = undefined
      resume?.()
    },
    destroy(error, done) {
      answer.cancel()
      done(error)
    },
  })
  const sink: Sink = { write: (chunk) => readable.push(chunk), once: (_event, listener) => (onDrain = listener) }
  body.to(sink).then(
    () => readable.push(null),
    () => {
      readable.push(brokenStream(endpoint))
      readable.push(null)
    },
  )
  return readable
}
