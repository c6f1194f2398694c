import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { countFields } from './count-fields.ts'

it('counts the fields of all objects of any JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
      expect(countFields(Buffer.from(JSON.stringify(value, null, indent)))).toBe(fieldsIn(value))
    }),
  )
})

it('takes colons, quotes and backslashes in texts for what they are', () => {
  expect(countFields(Buffer.from(JSON.stringify({ 'a":': '\\":"b":1', 'c\\': ':::' })))).toBe(2)
})

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(countFields(bytes)).toBeLessThanOrEqual(bytes.length)
    }),
  )
})

function fieldsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inside = Object.values(value).reduce((sum: number, inner) => sum + fieldsIn(inner), 0)
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length)
}
