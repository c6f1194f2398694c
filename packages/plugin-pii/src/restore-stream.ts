import { type Json, type PlacedText, eachText, parse } from './json.ts'
import type { Vault } from './vault.ts'

/** An event on its way to the caller. */
interface Waiting {
  /** What is written, once nothing in it is open. */
  write(): string
  /** How many of its texts may end in the beginning of a pseudonym. */
  open: number
}

/** The end of a text that may be the beginning of a pseudonym. */
interface OpenEnd {
  readonly event: Waiting
  readonly lanes: readonly string[]
  readonly end: string
  /** Takes the end away: it goes on in the next piece of the text. */
  move(): void
}

/** How many events wait for one at the most: a text that does not go on holds no stream back. */
const mostWaiting = 32

/**
 * Restores a stream event by event. An event whose text may be cut inside a pseudonym waits for the next piece of that
 * text, which then has the pseudonym whole; all others behind it wait with it, so that none is overtaken.
 */
export class StreamRestorer {
  private readonly vault: Vault
  private readonly open = new Map<string, OpenEnd>()
  private waiting: Waiting[] = []

  constructor(vault: Vault) {
    this.vault = vault
  }

  /** Takes an event and gives what may be written now. */
  restore(event: string): string {
    const [, before = '', json = '', after = ''] = /^([^]*?data: ?)(\{.*\})(\s*)$/.exec(event) ?? []
    const data = parse(json)
    // A sign of life is not kept waiting.
    if (data ? data['type'] === 'ping' : !event.includes('data:')) return event
    const taken = data && this.take(data, (changed) => (changed ? before + JSON.stringify(data) + after : event))
    if (!taken) this.close(() => true)
    this.waiting.push(taken ?? { write: () => event, open: 0 })
    return this.release()
  }

  /** All that waits still: nothing follows. */
  flush(): string {
    this.close(() => true)
    return this.release()
  }

  private take(data: Json, write: (changed: boolean) => string): Waiting {
    let isChanged = false
    const taken: Waiting = { write: () => write(isChanged), open: 0 }
    const lanes = lanesOf(data)
    const came = new Map<string, OpenEnd>()
    eachText(data, (place) => {
      const channel = channelOf(data, place)
      const before = this.open.get(channel)
      const text = this.vault.restore((before?.end ?? '') + place.text, place.write)
      const put = (other: string) => {
        isChanged ||= other !== place.text
        place.put(other)
      }
      put(text)
      before?.move()
      const open = this.vault.openEnd(text)
      if (before) this.settle(channel, before)
      if (open === 0) return
      taken.open++
      came.set(channel, { event: taken, lanes, end: text.slice(-open), move: () => put(text.slice(0, -open)) })
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

  private release(): string {
    const first = this.waiting.findIndex(({ open }) => open > 0)
    const due = first < 0 ? this.waiting.length : Math.max(first, this.waiting.length - mostWaiting)
    const released = this.waiting.splice(0, due)
    this.close(({ event }) => released.includes(event))
    return released.map((event) => event.write()).join('')
  }
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
