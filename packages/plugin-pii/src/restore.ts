import { type Reply, plainReply, streamOf } from '@signalbox/core'
import type { Vault } from './vault.ts'

/** The reply with the values of the vault in the place of its placeholders. */
export function restoreReply(reply: Reply, vault: Vault): Reply {
  const { body } = reply
  if (!(body instanceof Uint8Array)) return { ...reply, body: streamOf(restoreStream(body, vault)) }
  const text = vault.restore(Buffer.from(body).toString(), inJson)
  return { ...plainReply({ ...headOf(reply), body: Buffer.from(text) }), ended: reply.ended }
}

const headOf = ({ status, headers, dialect, model }: Reply) => ({ status, headers, dialect, model })
const inJson = (value: string) => JSON.stringify(value).slice(1, -1)

/** Restores a stream event by event. Of a text that may be cut inside a placeholder only that end is kept back. */
async function* restoreStream(
  chunks: AsyncIterable<Uint8Array>,
  vault: Vault,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new TextDecoder()
  const events = new EventRestorer(vault)
  let rest = ''
  for await (const chunk of chunks) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split(/(?<=\r?\n\r?\n)/)
    rest = endsEvent.test(pieces.at(-1)!) ? '' : pieces.pop()!
    const text = pieces.map((event) => events.restore(event)).join('')
    if (text !== '') yield Buffer.from(text)
  }
  const last = events.restore(rest + decoder.decode()) + events.flush()
  if (last !== '') yield Buffer.from(last)
}

const endsEvent = /\r?\n\r?\n$/

/** Fields of an event, in any dialect, that hold a piece of a text. */
const pieceFields: ReadonlySet<string> = new Set([
  'content',
  'text',
  'refusal',
  'reasoning',
  'reasoning_content',
  'thinking',
  'arguments',
  'partial_json',
  'delta',
])

interface Held {
  readonly text: string
  /** Writes the event that the text was kept back from, with another text in its place. */
  readonly write: (text: string) => string
}

class EventRestorer {
  private readonly vault: Vault
  /** What was kept back, by where it stands in an event. */
  private readonly held = new Map<string, Held>()

  constructor(vault: Vault) {
    this.vault = vault
  }

  restore(event: string): string {
    const match = /^([^]*?data: ?)(\{.*\})(\s*)$/.exec(event)
    if (!match) return (/data:/.test(event) ? this.flush() : '') + event
    const [, before = '', json = '', after = ''] = match
    const data = parse(json)
    if (data === undefined) return event
    const seen = new Set<string>()
    const changed = this.walk(data, '', (path, text, place) => {
      seen.add(path)
      const whole = this.vault.restore((this.held.get(path)?.text ?? '') + text)
      const open = this.vault.openEnd(whole)
      this.held.delete(path)
      if (open > 0)
        this.held.set(path, {
          text: whole.slice(-open),
          write: (other) => before + JSON.stringify(place(other)) + after,
        })
      return whole.slice(0, whole.length - open)
    })
    const others = isPing(data) ? '' : this.flush((path) => !seen.has(path) && speaksOf(data, path))
    return others + (changed === data ? event : before + JSON.stringify(changed) + after)
  }

  /** What is kept back and is due: no more comes for it, or something else comes first. */
  flush(isDue: (path: string) => boolean = () => true): string {
    const due = [...this.held].filter(([path]) => isDue(path))
    for (const [path] of due) this.held.delete(path)
    return due.map(([, { text, write }]) => write(text)).join('')
  }

  /** Copies only what changes. A piece that becomes another is told where it stands, and how to put another there. */
  private walk(
    value: unknown,
    path: string,
    piece: (path: string, text: string, place: (other: string) => unknown) => string,
    place: (inner: unknown) => unknown = (inner) => inner,
  ): unknown {
    if (typeof value === 'string') {
      const field = path.slice(path.lastIndexOf('.') + 1)
      return pieceFields.has(field) ? piece(path, value, place) : this.vault.restore(value)
    }
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value)
    const inner = entries.map(([key, item]) => {
      const at = Array.isArray(value) ? placeOf(item, key) : key
      return this.walk(item, `${path}.${at}`, piece, (other) => place(withKey(value, key, other)))
    })
    if (inner.every((item, index) => item === entries[index]![1])) return value
    return Array.isArray(value) ? inner : Object.fromEntries(entries.map(([key], index) => [key, inner[index]]))
  }
}

const isPing = (data: unknown) => (Object(data) as { type?: unknown }).type === 'ping'

/** Whether an event is about the same choice as a path: others may come in between. */
function speaksOf(data: unknown, path: string): boolean {
  const choice = /^\.choices\.(#\d+)\./.exec(path)?.[1]
  const { choices } = Object(data) as { choices?: unknown }
  if (choice === undefined || !Array.isArray(choices)) return true
  return choices.some((one: unknown, index) => placeOf(one, String(index)) === choice)
}

/** An element of a list by the index that it names itself, as choices and calls of tools do. */
const placeOf = (item: unknown, position: string) => {
  const { index } = Object(item) as { index?: unknown }
  return typeof index === 'number' ? `#${index}` : position
}

const withKey = (value: object, key: string, inner: unknown): unknown =>
  Array.isArray(value)
    ? value.map((item: unknown, index) => (String(index) === key ? inner : item))
    : { ...value, [key]: inner }

function parse(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch {
    return undefined
  }
}
