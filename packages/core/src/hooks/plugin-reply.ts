import { SignalboxError } from '../errors.ts'
import { HeldStream } from '../held-stream.ts'
import { came } from './hook-checks.ts'
import { Counts, isCounted, tokenClasses } from '../dialects/usage.ts'
import { isRecord } from '../is-record.ts'
import type { Bounded, Overdue } from './overdue.ts'
import { noUsage } from '../reply.ts'
import { quietly } from '../stream.ts'
import type { Ended, Reply, Usage } from '../types.ts'

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
  const isTheirs = body instanceof Uint8Array || isGiven('body')
  const stream = isTheirs ? undefined : new HeldStream(body, { blame: blamed(by.plugin) })
  const ended = isGiven('ended') ? reply.ended : settled(reply.ended, by)
  if (!stream && ended === reply.ended && isGiven('cancel')) return reply
  const cancel = (reason?: unknown) => {
    quietly(() => reply.cancel(reason))
    stream?.stop()
  }
  return { ...reply, ...(stream && { body: stream }), ended, cancel }
}

const blamed = (plugin: string) => (cause: unknown) =>
  new SignalboxError('plugin_failed', `The plugin "${plugin}" failed in its stream`, { plugin, cause })

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
