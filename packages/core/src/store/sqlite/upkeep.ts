import type { Clock, Timer } from '../../clock.ts'
import { slide } from '../counter.ts'
import type { Asks } from './asks.ts'
import { openBook } from './book.ts'
import type { Desk, ProcessLease } from './process.ts'
import { isUnused, mustTell, type Share } from './share.ts'

/** What a process does beside its calls: it tells the file what it posted and gives back what it does not need. */
export interface Upkeep {
  /** Gives back what others ask for, when it is time to look again. Cheap; every verb calls it. */
  look(now: number): void
  /** Sees to it that all goes on by itself, now that these are leased or someone waits. */
  wake(leased: readonly Share[]): void
  /** Writes these down; what fails is tried again by itself. */
  tell(shares: readonly Share[], now: number): void
  /** Writes everything down. */
  tellAll(now: number): void
  /** Writes everything down, gives back what is free, and does no more. */
  stop(now: number): void
}

export interface UpkeepOptions {
  clock: Clock
  asks: Asks
  /** Brings the process to the present instant, and gives it. */
  begin: () => number
}

/** How often a process that keeps something free looks whether it is asked for it, in milliseconds. */
const lookMs = 5
/** How often it writes down what it posted, in milliseconds. */
const tellMs = 100
/** What was not used for so long, in milliseconds, keeps nothing free. */
const idleMs = 1_000

/** Sleeps until it is woken, and again when nothing is leased and nobody waits. */
export function createUpkeep(desk: Desk, own: ProcessLease, { clock, asks, begin }: UpkeepOptions): Upkeep {
  const { file, slices, shares } = desk
  let timer: Timer | undefined
  let isStopped = false
  let isLoose = false
  let lookedAt = -Infinity
  let toldAt = -Infinity
  let seenAsked = -1n

  function look(now: number) {
    if (!isLoose || now < lookedAt + lookMs) return
    lookedAt = now
    orLater(() => {
      const asked = slices.generation()
      if (asked === seenAsked) return
      const keys = slices.askedOf(own.id(), now)
      write(
        keys.flatMap((key) => shares.get(key) ?? []),
        () => false,
        now,
      )
      seenAsked = asked
    })
  }

  function wake(leased: readonly Share[]) {
    const isSooner = (!isLoose && leased.some(isLeasedLoose)) || asks.count() === 1
    isLoose ||= isSooner
    if (timer === undefined || isSooner) schedule()
  }

  function tell(some: readonly Share[], now: number) {
    orLater(() => write(some, keepsFreeAt(now), now))
  }

  function tellAll(now: number) {
    toldAt = now
    const due = [...shares.values()].filter((share) => isDue(share, now))
    if (due.length > 0) write(due, keepsFreeAt(now), now)
    else if (shares.size > 0) own.renewIfDue()
    for (const share of shares.values()) if (isUnused(share)) shares.delete(share.key)
    isLoose = [...shares.values()].some(isLeasedLoose)
  }

  function write(some: readonly Share[], keepsFree: (share: Share) => boolean, now: number) {
    if (some.length === 0) return
    own.renewIfDue()
    file.write((onUndo) => {
      const book = openBook(desk, own.id(), onUndo)
      for (const share of some) {
        if (shares.get(share.key) === share) book.tell(share, { now, keepsFree: keepsFree(share) })
      }
    })
  }

  function schedule() {
    clock.clearTimeout(timer)
    timer = undefined
    if (isStopped || (shares.size === 0 && asks.count() === 0)) return
    timer = clock.setTimeout(tick, isLoose || asks.count() > 0 ? lookMs : tellMs)
  }

  function tick() {
    orLater(() => {
      const now = begin()
      if (now >= toldAt + tellMs) tellAll(now)
      asks.check()
    })
    schedule()
  }

  function stop(now: number) {
    isStopped = true
    schedule()
    write([...shares.values()], () => false, now)
  }

  return { look, wake, tell, tellAll, stop }
}

const keepsFreeAt = (now: number) => (share: Share) => now < share.usedAt + idleMs

function isDue(share: Share, now: number): boolean {
  slide(share, now)
  return share.posted !== 0 || mustTell(share) || (!share.isExact && !keepsFreeAt(now)(share))
}

const isLeasedLoose = ({ isExact, leased }: Share) => !isExact && leased > 0

/** What is not written now is still known, and leased: it is written later. */
function orLater(write: () => void) {
  try {
    write()
  } catch {}
}
