import type { Router } from '../router.ts'
import type { ByteStream, Identity } from '../types.ts'
import { webBodyOf } from './body.ts'
import type { Face, FaceRequest } from './contract.ts'
import { createFace, notFound } from './face.ts'
import { brokenStream } from './node.ts'

/** `fetch`, answered in process. */
export type FaceFetch = (input: string | URL | globalThis.Request, init?: RequestInit) => Promise<Response>

/** Makes a `fetch` for one caller. The host of the URL does not matter; paths match after `/v1`. */
export function createFetch(router: Router, identity: Identity = {}): FaceFetch {
  let face: Face | undefined
  return async function signalboxFetch(input, init) {
    face ??= createFace(router)
    const request = new globalThis.Request(input, init)
    request.signal.throwIfAborted()
    const { pathname } = new URL(request.url)
    const at = pathname.indexOf('/v1/')
    const endpoint = face.match(request.method, at < 0 ? pathname : pathname.slice(at)) ?? notFound()
    const asked = faceRequest(request, identity, face)
    const answer = await face.answer(endpoint, asked)
    const { status, headers, body } = answer
    const cancel = () => answer.cancel()
    if (request.signal.aborted) {
      cancel()
      throw request.signal.reason
    }
    const onBroken = (error: unknown) => brokenStream(endpoint, error, asked.log)
    const reader: Reader = { signal: request.signal, cancel, onBroken }
    const content = body instanceof Uint8Array ? Buffer.from(body) : webStream(body, reader)
    return new Response(request.method === 'HEAD' || bodyless.has(status) ? null : content, { status, headers })
  }
}

/** Statuses of answers that have no body. */
const bodyless: ReadonlySet<number> = new Set([204, 205, 304])

function faceRequest(request: globalThis.Request, identity: Identity, { maxRequestBytes, logger }: Face): FaceRequest {
  return {
    method: request.method,
    url: request.url,
    header: (name) => request.headers.get(name) ?? undefined,
    body: () => webBodyOf(request, maxRequestBytes),
    bodyIsComplete: () => true,
    identify: () => identity,
    signal: request.signal,
    ...(logger && { log: logger }),
  }
}

/** Who reads a stream. */
interface Reader {
  readonly signal: AbortSignal
  readonly cancel: () => void
  readonly onBroken: (error: unknown) => Uint8Array
}

/** A stream that fails with what its signal was aborted for, as any `fetch` has it: nobody takes half an answer for all of it. */
function webStream(body: ByteStream, { signal, cancel, onBroken }: Reader): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]()
  let left = false
  function giveUp(controller: ReadableStreamDefaultController): void {
    controller.error(signal.reason)
    cancel()
  }
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await chunks.next()
        if (left) return
        if (signal.aborted) giveUp(controller)
        else if (done) controller.close()
        else controller.enqueue(value)
      } catch (error) {
        if (left) return
        if (signal.aborted) return giveUp(controller)
        controller.enqueue(onBroken(error))
        controller.close()
      }
    },
    cancel() {
      left = true
      cancel()
    },
  })
}
