import { notForAll } from '../cache/flight.ts'
import type { Flights, Passenger } from '../cache/flights.ts'
import type { Clock } from '../clock.ts'
import { type SignalboxErrorCode, errorForAnother, isSignalboxError } from '../errors.ts'
import { endOf } from '../sleep.ts'
import type { Call, Handler, Reply } from '../types.ts'

/** How calls become one. */
export interface Sharing extends Pick<Passenger, 'onComplete' | 'isForItAlone'> {
  readonly flights: Flights
  readonly clock: Clock
}

/** What failed the one who asked, and need not fail those who waited with it. */
const ofItsOwn: ReadonlySet<SignalboxErrorCode> = new Set([
  'budget_exceeded',
  'max_cost_exceeded',
  'price_unknown',
  'rate_limit_exceeded',
  'limit_exceeded',
  'deadline_exceeded',
  'cancelled',
] as const)

/** Answers a call together with all others under the same key. The first of them asks, and pays. */
export async function answerTogether(
  key: string,
  call: Call,
  next: Handler<Call>,
  { flights, clock, ...mine }: Sharing,
): Promise<{ readonly leads: boolean; readonly reply: Reply }> {
  let flight = key
  for (let timesSentAway = 0; ;) {
    const { leads, reply } = flights.board(flight, {
      signal: call.signal,
      deadline: call.deadline,
      start: (signal) => next({ ...call, signal }),
      ...mine,
    })
    try {
      return { leads, reply: await reply }
    } catch (error) {
      if (error === notForAll) {
        // One of those sent away may have an answer for all. Whoever waited in vain twice waits for nobody any more.
        if (++timesSentAway > 1) flight = `${key} ${call.key}`
        continue
      }
      if (leads || !isSignalboxError(error) || call.signal.aborted) throw error
      if (!ofItsOwn.has(error.code) || clock.now() >= call.deadline) throw errorForAnother(error)
    }
  }
}

/**
 * Waits for the whole of an answer that is under way under another key, and says whether it came whole. Nothing is asked
 * where nothing is under way, nor where it fails the one who asked alone.
 */
export async function joinAnswer(key: string, { signal, deadline }: Call, flights: Flights): Promise<boolean> {
  try {
    const reply = await flights.join(key, { signal, deadline })
    if (!reply) return false
    if (!(reply.body instanceof Uint8Array)) for await (const _ of reply.body);
    const { how } = await reply.ended
    if (signal.aborted) throw endOf(signal)
    return how === 'complete'
  } catch (error) {
    if (error === notForAll) return false
    if (signal.aborted || !isSignalboxError(error)) throw error
    if (!ofItsOwn.has(error.code)) throw errorForAnother(error)
    return false
  }
}
