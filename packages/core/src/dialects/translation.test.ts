import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { runsOf } from './translation.ts'

it('what stands in a row is compared once with the one before it, and nothing is lost', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 })), (all) => {
      let times = 0
      const runs = runsOf(all, (one, before) => (times++, one === before))
      expect(runs.flat()).toEqual(all)
      expect(times).toBe(Math.max(0, all.length - 1))
      for (const run of runs) expect(new Set(run).size).toBe(1)
      for (const [place, run] of runs.entries()) expect(run[0]).not.toBe(runs[place - 1]?.[0])
    }),
  )
})
