import type { Socket } from 'node:net'
import { letPeerRead } from '../let-peer-read.ts'
import type { RecordedRequest } from './records.ts'

/** What a step can do. Once the connection is closed all of it does nothing, at once. */
export interface StepContext {
  readonly socket: Socket
  /** The request that is being answered; undefined in a script for a new connection. */
  readonly request: RecordedRequest | undefined
  /** Aborts when the connection is closed, by whichever side. */
  readonly closed: AbortSignal
  /** Resolves when the kernel has taken the bytes. */
  write(bytes: string | Uint8Array): Promise<void>
  /** Milliseconds of the upstream's clock. */
  sleep(delayMs: number): Promise<void>
  reset(): Promise<void>
  end(): Promise<void>
  run(script: Script): Promise<void>
}

/** One thing to do with a connection. */
export interface Step {
  readonly name: string
  run(context: StepContext): void | Promise<void>
}

/** Steps to be done one after the other; scripts nest. */
export type Script = Step | readonly Script[]

/**
 * Makes a step of your own.
 *
 * @example
 * const noteSize = step('note size', ({ request }) => console.log(request?.body.length))
 */
export function step(name: string, run: Step['run']): Step {
  return { name, run }
}

/** Writes bytes exactly as they are. */
export function write(bytes: string | Uint8Array): Step {
  return step('write', (context) => context.write(bytes))
}

export interface Gap {
  /** Milliseconds of the upstream's clock between two pieces. @default one real millisecond */
  gapMs?: number
}

/**
 * Writes pieces one by one with a gap between, so that each arrives by itself.
 *
 * @example
 * writeEach(cut('data: é\n\n', cutsInside('data: é\n\n', 'é')))
 */
export function writeEach(pieces: readonly (string | Uint8Array)[], gap: Gap = {}): Step {
  return eachWithGap('write each', pieces.map(write), gap)
}

/** Does the scripts one by one with a gap between. */
export function eachWithGap(name: string, scripts: readonly Script[], { gapMs }: Gap): Step {
  return step(name, async (context) => {
    for (const [index, script] of scripts.entries()) {
      if (context.closed.aborted) return
      if (index > 0) await (gapMs === undefined ? letPeerRead() : context.sleep(gapMs))
      await context.run(script)
    }
  })
}

/** Writes bytes slowly, a few at a time. */
export function drip(bytes: string | Uint8Array, options: { everyMs: number; bytesPerWrite?: number }): Step {
  return writeEach(cut(bytes, { every: options.bytesPerWrite ?? 1 }), { gapMs: options.everyMs })
}

/** Waits, in milliseconds of the upstream's clock; a closed connection ends the wait. */
export function wait(delayMs: number): Step {
  return step(`wait ${delayMs} ms`, (context) => context.sleep(delayMs))
}

/** Waits until the promise settles, so that a test can hold an answer back without sleeping. */
export function waitFor(promise: Promise<unknown>): Step {
  return step('wait for', async ({ closed }) => {
    await Promise.race([promise.catch(() => undefined), whenAborted(closed)])
  })
}

/** Keeps the connection open and silent until the other side leaves. */
export function hang(): Step {
  return step('hang', ({ closed }) => whenAborted(closed))
}

/** Stops reading, so that what the other side sends backs up. */
export function stopReading(): Step {
  return step('stop reading', ({ socket }) => void socket.pause())
}

/** Ends the connection with a TCP reset; what was written before still arrives. */
export function reset(): Step {
  return step('reset', (context) => context.reset())
}

/** Ends the connection with a FIN, as if all had been said. */
export function end(): Step {
  return step('end', (context) => context.end())
}

/** Does a script again and again; `Infinity` means until the connection is closed. */
export function repeat(times: number, script: Script): Step {
  return step(`repeat ${times} times`, async (context) => {
    for (let time = 0; time < times && !context.closed.aborted; time += 1) await context.run(script)
  })
}

/**
 * Answers the first request of each connection, and resets the connection when another one comes on it: what a
 * caller meets who reuses an idle connection that the provider has given up.
 *
 * @example
 * upstream.respond(resetWhenReused(completion({ content: 'hello' })))
 */
export function resetWhenReused(script: Script): Step {
  return step('reset when reused', (context) => (context.request?.reused ? context.reset() : context.run(script)))
}

/** Cuts bytes at the given offsets, in any order, or into pieces of `every` bytes. Joined, the pieces are the bytes. */
export function cut(bytes: string | Uint8Array, at: readonly number[] | { every: number }): Buffer[] {
  const buffer = Buffer.from(bytes as Uint8Array)
  const offsets = 'length' in at ? at : multiples(at.every, buffer.length)
  const inside = [...new Set(offsets)].filter((offset) => offset > 0 && offset < buffer.length)
  const bounds = [0, ...inside.toSorted((left, right) => left - right), buffer.length]
  return bounds.slice(1).map((bound, index) => buffer.subarray(bounds[index], bound))
}

/**
 * The offsets that lie inside an occurrence of `needle`: cutting there tears its bytes apart.
 *
 * @throws RangeError for an empty needle
 */
export function cutsInside(bytes: string | Uint8Array, needle: string): number[] {
  if (needle === '') throw new RangeError('what is cut has 1 byte or more, got an empty text')
  const buffer = Buffer.from(bytes as Uint8Array)
  const length = Buffer.byteLength(needle)
  const offsets: number[] = []
  for (let start = buffer.indexOf(needle); start >= 0; start = buffer.indexOf(needle, start + length)) {
    for (let inside = 1; inside < length; inside += 1) offsets.push(start + inside)
  }
  return offsets
}

function multiples(size: number, length: number): number[] {
  if (!(size >= 1)) throw new RangeError(`pieces have 1 byte or more, got ${size}`)
  return Array.from({ length: Math.ceil(length / size) }, (_, index) => index * size)
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
