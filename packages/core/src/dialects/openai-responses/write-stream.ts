import type { JsonBody } from '../json-request.ts'
import type { OpenedPart, Part, Proof, StopReason, StreamStep } from '../neutral.ts'
import { marked } from '../proof.ts'
import type { Asked, StepWriter } from '../translation.ts'
import type { Usage } from '../../types.ts'
import { ending, skeleton, writeOutput, writeSaid, writeUsage } from './translate-answer.ts'

/** Writes the events of a streamed response. */
export function stepWriter(asked: Asked): StepWriter {
  const writer = new ResponseWriter(asked)
  return { write: (step) => writer.write(step) }
}

class ResponseWriter {
  private readonly asked: Asked
  private number = 0
  private head: JsonBody = {}
  private id = ''
  private readonly output: object[] = []
  private open: OpenedPart = { type: 'text' }
  private said = ''
  private proof: Proof | undefined
  private stop: StopReason = 'stop'
  private usage: Usage | undefined

  constructor(asked: Asked) {
    this.asked = asked
  }

  write(step: StreamStep): string {
    switch (step.type) {
      case 'start':
        return this.start(step)
      case 'open':
        return this.begin(step.part)
      case 'delta':
        this.said += step.text
        return this.delta(step.text)
      case 'proof':
        this.proof = step.proof
        return ''
      case 'close':
        return this.close()
      case 'usage':
        this.usage = step.usage
        return ''
      case 'stop':
        this.stop = step.reason
        return ''
      case 'end':
        return this.end()
      default:
        return step satisfies never
    }
  }

  private event(type: string, body: JsonBody): string {
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.number++, ...body })}\n\n`
  }

  private start({ id, model }: { readonly id: string; readonly model: string }): string {
    this.id = id
    this.head = skeleton({ id, model }, this.asked)
    const body = { response: this.head }
    return this.event('response.created', body) + this.event('response.in_progress', body)
  }

  /** The item that is open, as it has become so far. */
  private item(status: string): JsonBody {
    const { type } = this.open
    const part: Part =
      this.open.type === 'tool-call'
        ? { ...this.open, arguments: this.said }
        : type === 'reasoning'
          ? { type, text: this.said, ...(this.proof && { proof: this.proof }) }
          : { type: type as 'text' | 'refusal', text: this.said }
    return this.named(writeOutput(part, `${this.id}_${this.output.length}`, status) as JsonBody)
  }

  /** An item under the id that it was opened with, to which clients hold it: a thought's own may come with its proof. */
  private named(item: JsonBody): JsonBody {
    if (this.open.type !== 'reasoning') return item
    const { id = `rs_${this.id}_${this.output.length}` } = this.open
    return item['id'] === id ? item : { ...item, id, ...(this.proof && { encrypted_content: marked(this.proof) }) }
  }

  private get place(): JsonBody {
    return { item_id: this.item('in_progress')['id'], output_index: this.output.length }
  }

  private begin(part: OpenedPart): string {
    this.open = part
    this.said = ''
    this.proof = undefined
    const item = this.item('in_progress')
    const shown = 'content' in item ? { ...item, content: [] } : item
    const added = this.event('response.output_item.added', { output_index: this.output.length, item: shown })
    if (part.type === 'tool-call') return added
    if (part.type === 'reasoning') {
      const summary = { ...this.place, summary_index: 0, part: { type: 'summary_text', text: '' } }
      return added + this.event('response.reasoning_summary_part.added', summary)
    }
    const said = writeSaid({ type: part.type, text: '' })
    return added + this.event('response.content_part.added', { ...this.place, content_index: 0, part: said })
  }

  private delta(delta: string): string {
    switch (this.open.type) {
      case 'tool-call':
        return this.event('response.function_call_arguments.delta', { ...this.place, delta })
      case 'reasoning':
        return this.event('response.reasoning_summary_text.delta', { ...this.place, summary_index: 0, delta })
      case 'refusal':
        return this.event('response.refusal.delta', { ...this.place, content_index: 0, delta })
      case 'text':
        return this.event('response.output_text.delta', { ...this.place, content_index: 0, delta, logprobs: [] })
      default:
        return this.open satisfies never
    }
  }

  private close(): string {
    const closing = this.closing()
    const item = this.item('completed')
    const done = this.event('response.output_item.done', { output_index: this.output.length, item })
    this.output.push(item)
    return closing + done
  }

  private closing(): string {
    const { said, place, open } = this
    if (open.type === 'tool-call') {
      return this.event('response.function_call_arguments.done', { ...place, name: open.name, arguments: said })
    }
    if (open.type === 'reasoning') {
      const at = { ...place, summary_index: 0 }
      const part = { type: 'summary_text', text: said }
      return (
        this.event('response.reasoning_summary_text.done', { ...at, text: said }) +
        this.event('response.reasoning_summary_part.done', { ...at, part })
      )
    }
    const at = { ...place, content_index: 0 }
    const part = writeSaid({ type: open.type, text: said })
    const done =
      open.type === 'refusal'
        ? this.event('response.refusal.done', { ...at, refusal: said })
        : this.event('response.output_text.done', { ...at, text: said, logprobs: [] })
    return done + this.event('response.content_part.done', { ...at, part })
  }

  private end(): string {
    const how = ending(this.stop)
    const usage = this.usage && { usage: writeUsage(this.usage) }
    const response = { ...this.head, ...how, output: this.output, ...usage }
    return this.event(`response.${String(how['status'])}`, { response })
  }
}
