import { parseJson, record } from './json.ts'
import type { OpenedPart, StreamStep } from './neutral.ts'

interface Filling {
  readonly key: string
  readonly part: OpenedPart
  text: string
}

/**
 * Puts the parts of a stream one behind the other: providers may write tool calls at the same time, and a part that is
 * closed cannot be gone on with. What comes for another part waits while the arguments of the open one are no JSON yet.
 */
export class PartSequencer {
  private open: Filling | undefined
  private readonly closed = new Set<string>()
  private readonly waiting = new Map<string, Filling>()

  /** Takes a piece of a part, and gives what can be told of now. What the part is, its first piece says. */
  piece(key: string, part: OpenedPart, text: string): StreamStep[] {
    if (this.closed.has(key)) return []
    if (this.open?.key === key) return this.fill(text)
    const known = this.waiting.get(key)
    if (known || (this.open && !isWhole(this.open))) {
      this.waiting.set(key, { key, part: known?.part ?? part, text: (known?.text ?? '') + text })
      return []
    }
    return [...this.close(), ...this.begin({ key, part, text })]
  }

  /** Ends the part that is open, and tells of those that had to wait. */
  end(): StreamStep[] {
    const waiting = [...this.waiting.values()]
    this.waiting.clear()
    return [...this.close(), ...waiting.flatMap((filling) => [...this.begin(filling), ...this.close()])]
  }

  private begin(filling: Filling): StreamStep[] {
    this.open = { ...filling, text: '' }
    return [{ type: 'open', part: filling.part }, ...this.fill(filling.text)]
  }

  private fill(text: string): StreamStep[] {
    if (this.open!.part.type === 'tool-call') this.open!.text += text
    return text === '' ? [] : [{ type: 'delta', text }]
  }

  private close(): StreamStep[] {
    if (!this.open) return []
    const { part, key, text } = this.open
    this.open = undefined
    if (part.type !== 'tool-call') return [{ type: 'close' }]
    this.closed.add(key)
    // Nothing is how some providers write that there are no arguments; no client reads it as JSON.
    return [...(text.trim() === '' ? [{ type: 'delta', text: '{}' } as const] : []), { type: 'close' }]
  }
}

/** Whether nothing can follow: text may go on any time later as a part of its own, arguments are one JSON object. */
const isWhole = ({ part, text }: Filling) =>
  part.type !== 'tool-call' || Object.keys(record(parseJson(text))).length > 0 || text.trim() === '{}'
