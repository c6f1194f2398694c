import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { countFields } from './count-fields.ts'

it('counts the fields of all objects of any JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
      expect(countFields(Buffer.from(JSON.stringify(value, null, indent)))).toEqual({
        fields: fieldsIn(value),
        values: valuesIn(value),
      })
    }),
  )
})

it('takes colons, commas, quotes and backslashes in texts for what they are', () => {
  expect(countFields(Buffer.from(JSON.stringify({ 'a":': '\\":"b":1', 'c\\': ':,:' })))).toEqual({
    fields: 2,
    values: 2,
  })
})

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const { fields, values } = countFields(bytes)
      expect(fields + values).toBeLessThanOrEqual(bytes.length)
    }),
  )
})

function fieldsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inside = Object.values(value).reduce((sum: number, inner) => sum + fieldsIn(inner), 0)
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length)
}

function valuesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const values = Object.values(value)
  return values.reduce((sum: number, inner) => sum + valuesIn(inner), Math.max(1, values.length))
}
