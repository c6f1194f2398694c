import { describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { seededRandom } from './seeded-random.ts'

describe('a fake clock', () => {
  it('stands still until it is advanced', async () => {
    const clock = createFakeClock({ wallTime: 1_000 })
    const ran: number[] = []
    clock.setTimeout(() => ran.push(clock.now()), 50)
    await clock.advance(49)
    expect([clock.now(), clock.wallTime(), ran, clock.pendingTimers()]).toEqual([49, 1_049, [], 1])
    await clock.advance(1)
    expect([ran, clock.pendingTimers()]).toEqual([[50], 0])
  })

  it('runs timers by time and then by creation', () => {
    const clock = createFakeClock()
    const ran: string[] = []
    clock.setTimeout(() => ran.push('late'), 20)
    clock.setTimeout(() => ran.push('early, first'), 10)
    clock.setTimeout(() => ran.push('early, second'), 10)
    clock.setTimeout(() => ran.push('at once'), 0)
    clock.advanceSync(100)
    expect(ran).toEqual(['at once', 'early, first', 'early, second', 'late'])
    expect(clock.now()).toBe(100)
  })

  it('sees timers that promises set between two others', async () => {
    const clock = createFakeClock()
    const ran: string[] = []
    const sleep = (delayMs: number) => new Promise<void>((resolve) => clock.setTimeout(resolve, delayMs))
    const work = async () => {
      await sleep(10)
      await Promise.resolve()
      ran.push(`first at ${clock.now()}`)
      await sleep(10)
      ran.push(`second at ${clock.now()}`)
    }
    clock.setTimeout(() => ran.push(`other at ${clock.now()}`), 15)
    void work()
    await clock.advance(1_000)
    expect(ran).toEqual(['first at 10', 'other at 15', 'second at 20'])
  })

  it('runs the same timers in advance and in advanceSync when timers set timers', async () => {
    const one = createFakeClock()
    const other = createFakeClock()
    const [seenByOne, seenByOther] = [ticks(one), ticks(other)]
    await one.advance(100)
    other.advanceSync(100)
    expect(seenByOne).toEqual([30, 60, 90])
    expect(seenByOther).toEqual([30, 60, 90])
  })

  it('forgets a cleared timer and bears a clear that comes too late', () => {
    const clock = createFakeClock()
    const ran: string[] = []
    const cleared = clock.setTimeout(() => ran.push('cleared'), 5)
    const kept = clock.setTimeout(() => ran.push('kept'), 5)
    clock.clearTimeout(cleared)
    clock.clearTimeout(cleared)
    clock.clearTimeout(undefined)
    clock.advanceSync(5)
    clock.clearTimeout(kept)
    expect([ran, clock.pendingTimers()]).toEqual([['kept'], 0])
  })

  it('lets a timer clear another that is due at the same time', () => {
    const clock = createFakeClock()
    const ran: string[] = []
    clock.setTimeout(() => clock.clearTimeout(second), 5)
    const second = clock.setTimeout(() => ran.push('second'), 5)
    clock.advanceSync(5)
    expect(ran).toEqual([])
  })

  it('runs any number of timers without a delay, each at a time of its own', () => {
    const clock = createFakeClock()
    let ran = 0
    for (let at = 0; at < 100_001; at++) {
      clock.setTimeout(() => ran++, 0)
      clock.advanceSync(1)
    }
    expect(ran).toBe(100_001)
  })

  it('lets the wall clock jump without touching the monotonic one', () => {
    const clock = createFakeClock({ wallTime: 0 })
    clock.setTimeout(() => undefined, 10)
    clock.jumpWallTime(-3_600_000)
    clock.advanceSync(5)
    expect([clock.now(), clock.wallTime(), clock.pendingTimers()]).toEqual([5, -3_599_995, 1])
  })

  it('gives back what a timer throws and goes on afterwards', async () => {
    const clock = createFakeClock()
    const ran: string[] = []
    clock.setTimeout(() => {
      throw new Error('boom')
    }, 5)
    clock.setTimeout(() => ran.push('after'), 6)
    await expect(clock.advance(10)).rejects.toThrow('boom')
    expect(clock.now()).toBe(5)
    await clock.advance(5)
    expect(ran).toEqual(['after'])
  })

  it('refuses to go back, and stops a timer that sets itself again with no delay', () => {
    const clock = createFakeClock()
    expect(() => clock.advanceSync(-1)).toThrow('0 ms or more, got -1')
    expect(() => clock.advanceSync(Number.NaN)).toThrow(RangeError)
    const again = () => void clock.setTimeout(again, 0)
    again()
    expect(() => clock.advanceSync(1)).toThrow('does one set itself again?')
  })

  it('keeps the order of many timers, cleared ones among them', () => {
    const clock = createFakeClock()
    const random = seededRandom(3)
    const ran: number[] = []
    const timers = Array.from({ length: 200_000 }, () => {
      const delayMs = Math.floor(random() * 1_000_000)
      return { delayMs, timer: clock.setTimeout(() => ran.push(delayMs), delayMs), cleared: random() < 0.7 }
    })
    for (const { timer, cleared } of timers) if (cleared) clock.clearTimeout(timer)
    const kept = timers.filter(({ cleared }) => !cleared).map(({ delayMs }) => delayMs)
    expect(clock.pendingTimers()).toBe(kept.length)
    clock.advanceSync(1_000_000)
    expect(ran).toEqual(kept.toSorted((left, right) => left - right))
  })
})

describe('a seeded random source', () => {
  it('repeats itself for a seed and differs for another', () => {
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  it('is uniform between 0 and 1', () => {
    const random = seededRandom(42)
    const buckets = Array.from({ length: 10 }, () => 0)
    for (let round = 0; round < 100_000; round += 1) {
      const bucket = Math.floor(random() * 10)
      buckets[bucket] = buckets[bucket]! + 1
    }
    expect(buckets).toHaveLength(10)
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(400)
  })
})

function ticks(clock: FakeClock): number[] {
  const seen: number[] = []
  const tick = () => {
    seen.push(clock.now())
    clock.setTimeout(tick, 30)
  }
  clock.setTimeout(tick, 30)
  return seen
}

function draw(seed: number): number[] {
  return Array.from({ length: 5 }, seededRandom(seed))
}
