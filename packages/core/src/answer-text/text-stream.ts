import { bufferOf } from '../buffer.ts'
import { parseExactly } from '../dialects/json.ts'
import { parseEvent } from '../dialects/sse.ts'
import { isRecord } from '../is-record.ts'
import { type IsText, type Json, type PlacedText, eachText } from './each-text.ts'

/**
 * Changes a text. It may be called more than once for the same piece, and goes by the piece alone.
 *
 * @param text a whole text, or a piece of one where the answer is a stream
 * @param write writes a value as it has to stand there: as it is, or escaped inside of a tool's arguments, which are JSON
 */
export type MapText = (text: string, write: (value: string) => string) => string

/** An event on its way to the caller. */
interface Waiting {
  /** The bytes to send, once nothing in it is open. */
  write(): Uint8Array
  /** How many of its texts may go on. */
  open: number
}

/** The end of a text that waits for what follows. */
interface OpenEnd {
  readonly event: Waiting
  readonly lanes: readonly string[]
  readonly end: string
  /** Takes the end away: it goes on in the next piece of the text. */
  move(): void
}

/** How many events wait for one at the most: a text that does not go on holds no stream back. */
const mostWaiting = 32

/** How many characters wait at the most: what goes on and on, as a text without blanks does, goes on to the caller. */
const mostHeld = 256

/**
 * Changes the texts of a stream event by event. An event whose text ends in something that may go on waits for the next
 * piece of that text, which then has it whole; all others behind it wait with it, so that none is overtaken.
 */
export class TextStream {
  private readonly map: MapText
  private readonly isText: IsText
  private readonly hold: (text: string) => number
  private readonly open = new Map<string, OpenEnd>()
  private waiting: Waiting[] = []

  constructor(how: {
    readonly map: MapText
    readonly isText: IsText
    readonly hold: ((text: string) => number) | undefined
  }) {
    this.map = how.map
    this.isText = how.isText
    this.hold = how.hold ?? (() => 0)
  }

  /** Takes a whole event, and gives those that may go on now. */
  push(bytes: Uint8Array): Uint8Array[] {
    const { data } = parseEvent(bytes)
    const json = data === undefined ? undefined : parseExactly(data)
    // A sign of life is not kept waiting.
    if (data === undefined || (isRecord(json) && json['type'] === 'ping')) return [bytes]
    this.queue(json, bytes)
    return this.release()
  }

  /** All that waits still, and what came of an event that no empty line ends: clients read that, too. Nothing follows. */
  end(rest: Uint8Array): Uint8Array[] {
    const { data } = parseEvent(rest)
    if (rest.length > 0) this.queue(data === undefined ? undefined : parseExactly(data), rest)
    this.close(() => true)
    return this.release()
  }

  private queue(json: unknown, bytes: Uint8Array): void {
    const taken = isRecord(json) ? this.take(json, bytes) : undefined
    if (!taken) this.close(() => true)
    this.waiting.push(taken ?? { write: () => bytes, open: 0 })
  }

  private take(data: Json, bytes: Uint8Array): Waiting {
    let isChanged = false
    const taken: Waiting = { write: () => (isChanged ? withData(bytes, JSON.stringify(data)) : bytes), open: 0 }
    const lanes = lanesOf(data)
    const came = new Map<string, OpenEnd>()
    eachText(data, this.isText, (place) => {
      const channel = channelOf(data, place)
      const before = this.open.get(channel)
      const text = (before?.end ?? '') + place.text
      const put = (part: string) => {
        const mapped = this.map(part, place.write)
        isChanged ||= mapped !== place.text
        place.put(mapped)
      }
      put(text)
      before?.move()
      if (before) this.settle(channel, before)
      const held = Math.min(this.hold(text), text.length)
      if (!(held > 0) || held > mostHeld) return
      taken.open++
      came.set(channel, { event: taken, lanes, end: text.slice(-held), move: () => put(text.slice(0, -held)) })
    })
    this.close((end) => lanes.length === 0 || end.lanes.some((lane) => lanes.includes(lane)))
    for (const [channel, end] of came) this.open.set(channel, end)
    return taken
  }

  /** Ends what does not go on: it stays where it stands. */
  private close(isOver: (end: OpenEnd) => boolean): void {
    for (const [channel, end] of this.open) if (isOver(end)) this.settle(channel, end)
  }

  private settle(channel: string, { event }: OpenEnd): void {
    this.open.delete(channel)
    event.open--
  }

  private release(): Uint8Array[] {
    const released: Waiting[] = []
    for (;;) {
      const first = this.waiting.findIndex(({ open }) => open > 0)
      const due = first < 0 ? this.waiting.length : Math.max(first, this.waiting.length - mostWaiting)
      if (due === 0) return released.map((event) => event.write())
      released.push(...this.waiting.splice(0, due))
      this.close(({ event }) => released.includes(event))
    }
  }
}

/** The event with other data. Its name, and comments in it, stay. */
function withData(event: Uint8Array, data: string): Uint8Array {
  const lines = bufferOf(event)
    .toString()
    .split(/\r\n|\n|\r/)
    .filter((line) => line !== '' && !/^\uFEFF?data(?::|$)/.test(line))
  return Buffer.from([...lines, `data: ${data}\n\n`].join('\n'))
}

/** What tells one text that comes in pieces from all others. */
function channelOf(
  { type, index, output_index: item, content_index: part, summary_index: summary }: Json,
  place: PlacedText,
) {
  return [type, index, item, part, summary, place.path].join(' ')
}

/** What an event is about: choices, or one block or item. None where it is about the whole answer. */
function lanesOf({ choices, index, output_index: item }: Json): readonly string[] {
  if (Array.isArray(choices)) return choices.map((choice: Json) => `choice ${String(choice?.['index'])}`)
  const lane = item ?? index
  return typeof lane === 'number' ? [`${lane}`] : []
}
