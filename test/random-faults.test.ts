import { expect, it } from 'vitest'
import { expectSound, soak } from './support/random-faults.ts'
import { mounts } from './support/mounts.ts'

it('every caller gets an answer or an error, whatever providers and callers do, on every mount', async () => {
  // All at one time: what takes long is to wait until calls are over that nobody answers.
  const soaks = mounts.map(({ name }) => soak({ mount: name, seconds: 2, rounds: 1, seed: 7 }))
  for (const soaked of await Promise.all(soaks)) {
    expectSound(soaked)
    expect(soaked.last.resources).toBeLessThanOrEqual(3)
  }
}, 60_000)
