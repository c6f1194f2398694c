import { describe, expect, it } from 'vitest'
import { schemaFault } from './json-schema.ts'

const person = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 1 }, age: { type: 'integer' }, friends: { $ref: '#/$defs/all' } },
  required: ['name'],
  additionalProperties: false,
  $defs: { all: { type: 'array', items: { $ref: '#' } } },
}

describe('a JSON Schema', () => {
  it.each([
    [{ name: '' }, '#/name'],
    [{ age: 36 }, 'name'],
    [{ name: 'Ada', age: 1.5 }, '#/age'],
    [{ name: 'Ada', more: 1 }, '#/more'],
    [{ name: 'Ada', friends: [{ name: 'Bob' }, { name: 7 }] }, '#/friends/1/name'],
    [[], 'type'],
  ])('finds in %j the fault %s', (value, fault) => {
    expect(schemaFault(person)(value)).toContain(fault)
  })

  it('finds none in what fits', () => {
    expect(schemaFault(person)({ name: 'Ada', age: 36, friends: [{ name: 'Bob' }] })).toBeUndefined()
  })

  it('is enforced where nothing says that the value is an object', () => {
    expect(schemaFault({ required: ['a'] })({})).toBeDefined()
    expect(schemaFault({ allOf: [{ required: ['a'] }, { properties: { a: { const: 1 } } }] })({ a: 2 })).toBeDefined()
  })

  it('stays as it was: it may be the caller’s', () => {
    const given = structuredClone(person)
    schemaFault(given)({ name: 'Ada' })
    expect(given).toEqual(person)
  })

  it('that came with a request has no say by expressions, which could hold up the process', () => {
    const schema = {
      type: 'object',
      properties: { text: { type: 'string', pattern: '^(a+)+$' }, pattern: { type: 'string', pattern: '(' } },
      patternProperties: { '^(x+)+$': { type: 'number' } },
      additionalProperties: false,
      required: ['pattern'],
    }
    const fault = schemaFault(schema, { isForeign: true })
    expect(fault({ text: `${'a'.repeat(60)}!`, pattern: 'x', [`${'x'.repeat(60)}!`]: 'y' })).toBeUndefined()
    expect(fault({ pattern: 7 })).toContain('#/pattern')
    expect(fault({})).toBeDefined()
    expect(schemaFault({ type: 'string', pattern: '^a+$' })('b')).toBeDefined()
  })

  it('that asks for more work than there is time, or for what is not there, is a fault and no more', () => {
    const levels = Array.from({ length: 40 }, (_, at) => [
      `a${at}`,
      { anyOf: [{ $ref: `#/$defs/a${at + 1}` }, { $ref: `#/$defs/a${at + 1}` }] },
    ])
    const deep = { $ref: '#/$defs/a0', $defs: { ...Object.fromEntries(levels), a40: { type: 'number' } } }
    const before = process.threadCpuUsage()
    expect(schemaFault(deep, { isForeign: true })('text')).toContain('cannot be followed')
    expect(process.threadCpuUsage(before).user / 1_000).toBeLessThan(1_000)
    expect(schemaFault({ $ref: '#/$defs/none' })(1)).toContain('cannot be followed')
    expect(schemaFault({ $ref: '#' })(1)).toContain('cannot be followed')
  })
})
