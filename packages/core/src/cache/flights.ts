import { BusyMap } from '../busy-map.ts'
import type { Clock } from '../clock.ts'
import type { SignalboxError } from '../errors.ts'
import type { Ended, Reply } from '../types.ts'
import { Flight } from './flight.ts'

/** One that wants an answer that is under way. */
export interface Rider {
  /** Aborted when it leaves. */
  readonly signal: AbortSignal
  /** When its own time is up, on the monotonic clock, in milliseconds. */
  readonly deadline: number
}

/** One that wants an answer that others may want as well. */
export interface Passenger extends Rider {
  /** Asks for the answer, for all. The signal is aborted when the last has left. */
  start(signal: AbortSignal): Promise<Reply>
  /** Whether an answer that begins is for this one alone: all others are sent away with {@link notForAll}. @default never */
  isForItAlone?(reply: Reply): boolean
  /** Is given the whole of an answer that came to its end; never one that was cut, or a stream that was too large to be gathered. */
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
  readonly endOf: (reply: Reply, why: SignalboxError) => Uint8Array
}

/** Calls for the same answer at the same time are one. */
export interface Flights {
  board(key: string, passenger: Passenger): Boarded
  /** Joins what is under way; undefined where nothing is. */
  join(key: string, rider: Rider): Promise<Reply> | undefined
  /** Whether there is one to join. */
  has(key: string): boolean
  /** How many are under way. */
  readonly size: number
}

/**
 * Makes flights. The first that asks under a key leads; who asks while it is under way joins it: of a stream it gets what
 * came so far, and then the rest. Whoever leaves leaves alone; with the last one the upstream is given up.
 */
export function createFlights(options: FlightOptions): Flights {
  const underWay = new BusyMap<string, Flight>()

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
      const reply = seatIn(flight, passenger, !joined)
      if (!joined) flight.begin()
      return { leads: !joined, reply }
    },
    join(key, rider) {
      const flight = underWay.get(key)
      return flight && seatIn(flight, rider, false)
    },
    has: (key) => underWay.has(key),
    get size() {
      return underWay.size
    },
  }
}

const seatIn = (flight: Flight, { signal, deadline }: Rider, leads: boolean) =>
  new Promise<Reply>((resolve, reject) => flight.join({ signal, deadline, leads, resolve, reject }))
