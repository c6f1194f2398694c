import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { BusyMap } from './busy-map.ts'

it('a busy map is a map', () => {
  const steps = fc.array(fc.record({ step: fc.constantFrom('set', 'delete', 'clear'), key: fc.nat({ max: 80 }) }), {
    minLength: 200,
    maxLength: 1_000,
  })
  fc.assert(
    fc.property(steps, (orders) => {
      const map = new Map<number, number>()
      const busy = new BusyMap<number, number>()
      for (const [index, { step, key }] of orders.entries()) {
        const [wasThere, went] = [map.delete(key), busy.delete(key)]
        expect(went).toBe(wasThere)
        if (step === 'clear' && key === 0) {
          busy.clear()
          map.clear()
        } else if (step === 'set') {
          busy.set(key, index)
          map.set(key, index)
        }
        expect(busy.size).toBe(map.size)
        for (let one = 0; one <= 80; one++) {
          expect(busy.get(one)).toBe(map.get(one))
          expect(busy.has(one)).toBe(map.has(one))
        }
      }
    }),
    { numRuns: 20 },
  )
})
