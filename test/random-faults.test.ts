import { expect, it } from 'vitest'
import { expectSound, soak } from './support/random-faults.ts'
import { mounts } from './support/mounts.ts'

it.each(mounts)(
  'every caller gets an answer or an error, whatever providers and callers do, on $name',
  { timeout: 60_000 },
  async ({ name }) => {
    const soaked = await soak({ mount: name, seconds: 2, rounds: 1, seed: 7 })
    expectSound(soaked)
    expect(soaked.last.resources).toBeLessThanOrEqual(3)
  },
)
