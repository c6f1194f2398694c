import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Roster } from './roster.ts'

describe('a roster', () => {
  it('has what came and did not go, whatever the order', () => {
    const steps = fc.array(fc.record({ comes: fc.boolean(), index: fc.nat({ max: 7 }) }))
    fc.assert(
      fc.property(steps, (orders) => {
        const all = Array.from({ length: 8 }, (_, index) => ({ index, place: -1 }))
        const roster = new Roster<(typeof all)[number]>()
        const set = new Set<object>()
        for (const { comes, index } of orders) {
          const one = all[index]!
          const wasThere = set.delete(one)
          const went = roster.delete(one)
          expect(went).toBe(wasThere)
          if (comes) {
            roster.add(one)
            set.add(one)
          }
          expect(roster.size).toBe(set.size)
          expect(new Set(roster)).toEqual(set)
        }
      }),
    )
  })

  it('takes nothing out that stands in another one', () => {
    const [here, there] = [new Roster(), new Roster()]
    const one = { place: -1 }
    here.add(one)
    there.add({ place: -1 })
    expect(there.delete(one)).toBe(false)
    expect([here.size, there.size]).toEqual([1, 1])
  })

  it('is gone through as it was, whoever leaves meanwhile', () => {
    const roster = new Roster()
    for (let times = 0; times < 3; times++) roster.add({ place: -1 })
    let met = 0
    for (const one of roster) {
      roster.delete(one)
      met++
    }
    expect([met, roster.size]).toEqual([3, 0])
  })
})
