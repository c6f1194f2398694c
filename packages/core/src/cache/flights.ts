import type { Clock } from '../clock.ts'
import type { Ended, Reply } from '../types.ts'
import { Flight, type Member } from './flight.ts'

/** One that wants an answer that others may want as well. */
export interface Passenger {
  /** Aborted when it leaves. */
  readonly signal: AbortSignal
  /** When its own time is up, on the monotonic clock, in milliseconds. */
  readonly deadline: number
  /** Asks for the answer, for all. The signal is aborted when the last has left. */
  start(signal: AbortSignal): Promise<Reply>
  /** Is given the whole of an answer that came to its end; never one that was cut, or is too large to be kept. */
  onComplete(reply: Reply, body: Uint8Array, ended: Ended): void
}

/** What a passenger gets. */
interface Boarded {
  /** Whether it is the one who asked. */
  readonly leads: boolean
  readonly reply: Promise<Reply>
}

/** Options of {@link createFlights}. */
export interface FlightOptions {
  readonly clock: Clock
  /** A stream beyond this is not kept: nobody can join it any more, and the slowest of its readers sets its pace. */
  readonly maximumBytes: number
  /** The event that tells a reader of a stream that its time is up, or that the stream broke. */
  readonly endOf: (reply: Reply, why: 'deadline_exceeded' | 'stream_interrupted') => Uint8Array
}

/** Calls for the same answer at the same time are one. */
export interface Flights {
  board(key: string, passenger: Passenger): Boarded
  /** How many are under way. */
  readonly size: number
}

/**
 * Makes flights. The first that asks under a key leads; who asks while it is under way joins it: of a stream it gets what
 * came so far, and then the rest. Whoever leaves leaves alone; with the last one the upstream is given up.
 */
export function createFlights(options: FlightOptions): Flights {
  const underWay = new Map<string, Flight>()

  function takeOff(key: string, passenger: Passenger): Flight {
    const flight: Flight = new Flight(passenger, options, () => {
      if (underWay.get(key) === flight) underWay.delete(key)
    })
    underWay.set(key, flight)
    return flight
  }

  return {
    board(key, passenger) {
      const joined = underWay.get(key)
      const flight = joined ?? takeOff(key, passenger)
      const reply = new Promise<Reply>((resolve, reject) => {
        flight.join({ ...watching(passenger), leads: !joined, resolve, reject } satisfies Member)
      })
      if (!joined) flight.begin()
      return { leads: !joined, reply }
    },
    get size() {
      return underWay.size
    },
  }
}

const watching = ({ signal, deadline }: Passenger) => ({ signal, deadline })
