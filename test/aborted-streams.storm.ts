import { describe, expect, it } from 'vitest'
import { expectNothingLeftOf } from './support/aborted-streams.ts'
import { mounts } from './support/mounts.ts'

describe.each(mounts.filter(({ name }) => name !== 'listener'))(
  '2,500 streams that their callers cut, on $name',
  (mount) => {
    it('leave nothing behind, and every upstream is let go within 50 ms (p99)', async () => {
      const { p99Ms, loopP99Ms } = await expectNothingLeftOf(2_500, mount, 5_000)

      const measured = `upstream let go within ${p99Ms.toFixed(1)} ms, event loop late by ${loopP99Ms.toFixed(1)} ms (p99)`
      console.log(`  ${mount.name}: ${measured}`)
      // A caller's going takes three turns of the one event loop here: the host's, the router's and the upstream's.
      expect(p99Ms).toBeLessThan(50 + 3 * loopP99Ms)
    })
  },
)
