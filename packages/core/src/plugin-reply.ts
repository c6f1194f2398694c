import { SignalboxError, isSignalboxError } from './errors.ts'
import { came } from './hook-checks.ts'
import { Counts, isCounted, tokenClasses } from './dialects/usage.ts'
import { isRecord } from './is-record.ts'
import type { Bounded, Overdue } from './overdue.ts'
import { noUsage } from './reply.ts'
import { quietly } from './stream.ts'
import type { ByteStream, Ended, Reply, Sink, Usage } from './types.ts'

/** What is known of the hook that made a reply. */
export interface MadeBy {
  readonly plugin: string
  /** The call's, on the monotonic clock, in milliseconds. */
  readonly deadline: number
  readonly overdue: Overdue
  /** Tells of what is wrong with the reply once it is under way. */
  warn(message: string): void
}

/** How long after its call's deadline an `ended` of a plugin's may still settle. */
const graceMs = 1_000

const unknownEnd: Ended = { how: 'cut', usage: noUsage, estimated: true }

/**
 * A reply that a plugin made of others, fit to go on: what its stream throws names the plugin, giving it up ends the
 * plugin's stream as well, and its `ended` settles, whatever the plugin's own does.
 *
 * @param given the replies that the plugin had: what is still theirs needs no care
 */
export function ownReply(reply: Reply, given: readonly Reply[], by: MadeBy): Reply {
  const isGiven = (part: 'body' | 'ended' | 'cancel') => given.some((one) => one[part] === reply[part])
  const { body } = reply
  const stream = body instanceof Uint8Array || isGiven('body') ? undefined : new PluginStream(body, by.plugin)
  const ended = isGiven('ended') ? reply.ended : settled(reply.ended, by)
  if (!stream && ended === reply.ended && isGiven('cancel')) return reply
  const cancel = (reason?: unknown) => {
    quietly(() => reply.cancel(reason))
    stream?.stop()
  }
  return { ...reply, ...(stream && { body: stream }), ended, cancel }
}

function settled(ended: Promise<Ended>, { plugin, deadline, overdue, warn }: MadeBy): Promise<Ended> {
  return new Promise((resolve) => {
    const give = (how: Ended, fault?: string) => {
      overdue.delete(waiting)
      resolve(how)
      if (fault) warn(`The plugin "${plugin}" made a reply whose "ended" ${fault}`)
    }
    const waiting: Bounded = {
      place: -1,
      deadline: deadline + graceMs,
      isStuck: true,
      giveUp: () => give(unknownEnd, "did not settle before the call's deadline"),
    }
    overdue.add(waiting)
    ended.then(
      (how) => {
        if (!isEnded(how)) return give(unknownEnd, `gave no end, but ${came(how)}`)
        const usage = countsOf(how.usage)
        if (usage === how.usage) return give(how)
        give({ ...how, usage, estimated: true }, 'gave a usage whose counts are no whole numbers from 0')
      },
      (error: unknown) => give(unknownEnd, `rejected: ${error instanceof Error ? error.message : String(error)}`),
    )
  })
}

const isEnded = (value: unknown) => isRecord(value) && typeof value['how'] === 'string' && isRecord(value['usage'])

/** The usage, in counts: limits and prices go by nothing else. What is none counts as none, and part of a token as one. */
function countsOf(usage: Usage): Usage {
  if (isCounted(usage)) return usage
  const { longCacheWriteTokens: long } = usage
  const counts = new Counts()
  const read = { ...noUsage, ...Object.fromEntries(tokenClasses.map((name) => [name, counts.part(usage[name])])) }
  const longRead = long !== undefined && { longCacheWriteTokens: Math.min(counts.part(long), read.cacheWriteTokens) }
  const faults = [...new Set([...(usage.faults ?? []), 'not_a_count' as const])]
  return { ...read, ...longRead, faults }
}

/** A stream of a plugin's own. It names the plugin where it fails, and ends it when nobody reads on. */
class PluginStream implements ByteStream {
  private readonly body: ByteStream
  private readonly plugin: string
  private running: AsyncGenerator<Uint8Array, void, undefined> | undefined
  private wake: (() => void) | undefined

  constructor(body: ByteStream, plugin: string) {
    this.body = body
    this.plugin = plugin
  }

  get isTaken(): boolean {
    return this.running !== undefined || this.body.isTaken === true
  }

  tap(observer: (chunk: Uint8Array) => void, onEnd?: () => void): void {
    this.body.tap(observer, onEnd)
  }

  async to(sink: Sink): Promise<void> {
    for await (const chunk of this) {
      if (sink.write(chunk)) continue
      await new Promise<void>((resolve) => {
        this.wake = resolve
        sink.once('drain', resolve)
      })
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.isTaken) throw new TypeError('This stream has a reader already: a body can be read once')
    return (this.running = this.chunks())
  }

  /** Nobody reads on: what the plugin holds open in its stream is let go of. */
  stop(): void {
    this.running?.return(undefined).catch(() => undefined)
    this.wake?.()
  }

  private async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of this.body) {
        if (!(chunk instanceof Uint8Array)) throw new TypeError(`a stream is made of bytes, got ${came(chunk)}`)
        yield chunk
      }
    } catch (error) {
      throw isSignalboxError(error) ? error : this.failure(error)
    }
  }

  private failure(cause: unknown): SignalboxError {
    const { plugin } = this
    return new SignalboxError('plugin_failed', `The plugin "${plugin}" failed in its stream`, { plugin, cause })
  }
}
