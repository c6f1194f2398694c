import type { SseEvent } from './dialect.ts'

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** The largest event that is held until it is whole: 8 MiB. */
export const defaultMaxEventBytes = 8 * 1024 * 1024

/**
 * Finds where server-sent events end, however the bytes are cut: lines end in LF, CR LF or CR, and an empty line ends an
 * event. https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export class SseFramer {
  private held: Uint8Array[] = []
  /** How many bytes of an event that is not whole yet are held. */
  heldBytes = 0
  private lineIsEmpty = true
  private afterReturn = false
  private blank = true

  /** Takes a chunk and hands out each event that is whole with it. */
  push(chunk: Uint8Array, onEvent: (event: Uint8Array) => void): void {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (byte !== lineFeed && byte !== carriageReturn) {
        this.lineIsEmpty = false
        this.afterReturn = false
        this.blank = false
        at = endOfLine(chunk, at) - 1
        continue
      }
      if (byte === lineFeed && this.afterReturn) {
        this.afterReturn = false
        continue
      }
      this.afterReturn = byte === carriageReturn
      if (!this.lineIsEmpty) {
        this.lineIsEmpty = true
        continue
      }
      const end = byte === carriageReturn && chunk[at + 1] === lineFeed ? at + 2 : at + 1
      onEvent(this.joined(chunk.subarray(start, end)))
      start = end
      this.blank = true
    }
    if (start < chunk.length) this.hold(chunk.subarray(start))
  }

  /** Takes out what is held: the beginning of an event that never became whole. */
  rest(): Uint8Array {
    const rest = this.joined(new Uint8Array(0))
    return this.blank ? new Uint8Array(0) : rest
  }

  private hold(bytes: Uint8Array): void {
    this.held.push(bytes)
    this.heldBytes += bytes.length
  }

  private joined(tail: Uint8Array): Uint8Array {
    if (this.held.length === 0) return tail
    const whole = Buffer.concat([...this.held, tail])
    this.held = []
    this.heldBytes = 0
    return whole
  }
}

function endOfLine(chunk: Uint8Array, from: number): number {
  let at = from
  while (at < chunk.length && chunk[at] !== lineFeed && chunk[at] !== carriageReturn) at++
  return at
}

/** Reads one whole event. Bytes that are no UTF-8 are read as replacement characters. */
export function parseEvent(bytes: Uint8Array): SseEvent {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString()
    .replace(/^\uFEFF/, '')
  let event: string | undefined
  let data: string | undefined
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`
    else if (field === 'event') event = value
  }
  return { ...(event !== undefined && { event }), ...(data !== undefined && { data }) }
}
