import { expect, it } from 'vitest'
import { expectSound, growthOf, soak } from './support/random-faults.ts'
import { mounts } from './support/mounts.ts'

/** Ten minutes in all. */
const seconds = 600 / mounts.length

it.each(mounts)(
  'random faults, callers who leave and slow readers, 50 at once, leave nothing behind and let nothing grow, on $name',
  { timeout: 1_000 * (seconds + 200) },
  async ({ name }) => {
    const soaked = await soak({ mount: name, seconds, rounds: 20, seed: 11 })
    const growth = growthOf(soaked)
    const heaps = soaked.reports.map(({ heapBytes }) => (heapBytes / 2 ** 20).toFixed(1)).join(' ')
    console.log(
      `  ${name}: ${soaked.callers} callers, slowest ${soaked.slowestMs.toFixed(0)} ms; MiB of heap: ${heaps}`,
    )
    expectSound(soaked)
    // What counts within a minute goes up and down with the calls of that minute.
    expect(growth.heap).toBeLessThan(0.05)
    expect(growth.resources).toBeLessThanOrEqual(20)
    expect(soaked.last.resources).toBeLessThanOrEqual(3)
  },
)
