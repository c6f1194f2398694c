import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { countFields } from './count-fields.ts'

it('counts the fields of all objects of any JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
      expect(countFields(Buffer.from(JSON.stringify(value, null, indent)))).toEqual({
        fields: fieldsIn(value),
        commas: commasIn(value),
      })
    }),
  )
})

it('takes colons, commas, quotes and backslashes in texts for what they are', () => {
  expect(countFields(Buffer.from(JSON.stringify({ 'a":': '\\":"b":1', 'c\\': ':,:' })))).toEqual({
    fields: 2,
    commas: 1,
  })
})

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const { fields, commas } = countFields(bytes)
      expect(fields + commas).toBeLessThanOrEqual(bytes.length)
    }),
  )
})

function fieldsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inside = Object.values(value).reduce((sum: number, inner) => sum + fieldsIn(inner), 0)
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length)
}

function commasIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const values = Object.values(value)
  return values.reduce((sum: number, inner) => sum + commasIn(inner), Math.max(0, values.length - 1))
}
