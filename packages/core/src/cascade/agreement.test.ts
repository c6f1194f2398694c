import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gist } from './agreement.ts'

const said = (text: string) => ({ text, toolCalls: [] })
const calls = (...toolCalls: { name: string; arguments: string }[]) => ({ text: '', toolCalls })

describe('the gist of an answer', () => {
  it.each([
    ['Paris', ' paris.'],
    ['42', '42.0'],
    ['42', '$42.'],
    ['1,234,567', '1234567'],
    ['-3', '"-3"'],
    ['.5', '0.5'],
    ['{"a":1,"b":[2,3]}', ' {"b": [2, 3], "a": 1} '],
    ['New   York', '**new york**'],
    ['４２', '42'],
    ['18,446,744,073,709,551,616', '18446744073709551616'],
  ])('is the same for %j and %j', (one, two) => {
    expect(gist(said(one))).toBe(gist(said(two)))
  })

  it.each([
    ['42', '-42'],
    ['42', '4.2'],
    ['yes', 'no'],
    ['{"a":"B"}', '{"a":"b"}'],
    ['[1,2]', '[2,1]'],
    ['1,23', '123'],
    ['18446744073709551616', '18446744073709551615'],
    ['{"id":9007199254740993}', '{"id":9007199254740992}'],
  ])('is another for %j and %j', (one, two) => {
    expect(gist(said(one))).not.toBe(gist(said(two)))
  })

  it('is what an expression takes out, where it matches last', () => {
    const expression = /answer is (\S+)/gu
    expect(gist(said('The answer is 3. No: the answer is 7.'), expression)).toBe(gist(said('7')))
    expect(gist(said('I do not know'), expression)).toBeUndefined()
  })

  it('is nothing where nothing is said', () => {
    for (const nothing of ['', '  \n', '...', '""']) expect(gist(said(nothing))).toBeUndefined()
  })

  it('of calls of tools is what they call, whatever the order of calls and keys', () => {
    const [one, two] = [
      { name: 'f', arguments: '{"a":1,"b":2}' },
      { name: 'g', arguments: '{}' },
    ] as const
    expect(gist(calls(one, two))).toBe(gist(calls(two, { name: 'f', arguments: '{"b":2, "a":1}' })))
    expect(gist(calls(one))).not.toBe(gist(calls({ name: 'f', arguments: '{"a":1,"b":3}' })))
    expect(gist(calls(one))).not.toBe(gist(calls({ name: 'h', arguments: '{"a":1,"b":2}' })))
    const order = (id: string) => gist(calls({ name: 'order', arguments: `{"id":${id}}` }))
    expect(order('12345678901234567891')).not.toBe(order('12345678901234567890'))
  })

  it('is found in any text, quickly, and made of it does not change', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const once = gist(said(text))
        expect(once === undefined || typeof once === 'string').toBe(true)
        expect(gist(said(`  ${text}\n`))).toBe(once)
      }),
    )
    const timeOf = (length: number) => {
      const before = process.threadCpuUsage()
      gist(said(`x${'.'.repeat(length)}x${' '.repeat(length)}x`))
      return process.threadCpuUsage(before).user / 1_000
    }
    const smallMs = Math.max(5, Math.min(timeOf(200_000), timeOf(200_000)))
    expect(Math.min(timeOf(2_000_000), timeOf(2_000_000))).toBeLessThan(smallMs * 50)
  })
})
