import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { layoutOf, splice } from './splice.ts'

type Patch = Readonly<Record<string, unknown>>

function spliced(text: string, patch: Patch): string {
  const bytes = Buffer.from(text)
  return Buffer.from(splice(bytes, layoutOf(bytes), patch)).toString()
}

describe('splice', () => {
  it.each<[string, string, Patch, string]>([
    ['replaces a value where it stands', '{"a":1,"model":"x","b":2}', { model: 'y' }, '{"a":1,"model":"y","b":2}'],
    [
      'keeps the blanks around a value',
      '{ "model" :\n "x" , "b" : 2 }',
      { model: 'y' },
      '{ "model" :\n "y" , "b" : 2 }',
    ],
    ['adds at the end', '{"a":1}', { b: 2 }, '{"a":1,"b":2}'],
    ['adds several in their order', '{"a":1}', { c: 3, b: [2] }, '{"a":1,"c":3,"b":[2]}'],
    ['adds to an empty object', '{}', { b: 2 }, '{"b":2}'],
    ['adds to an object of blanks', ' { \n } ', { b: 2 }, ' { \n "b":2} '],
    ['removes the first', '{"a":1,"b":2}', { a: undefined }, '{"b":2}'],
    ['removes the last', '{"a":1,"b":2}', { b: undefined }, '{"a":1}'],
    ['removes one in the middle', '{"a":1,"b":2,"c":3}', { b: undefined }, '{"a":1,"c":3}'],
    ['removes the only one', '{"a":1}', { a: undefined }, '{}'],
    ['removes the last two', '{"a":1,"b":2,"c":3}', { b: undefined, c: undefined }, '{"a":1}'],
    ['removes the first two', '{"a":1,"b":2,"c":3}', { a: undefined, b: undefined }, '{"c":3}'],
    ['removes all and adds one', '{"a":1,"b":2}', { a: undefined, b: undefined, c: 3 }, '{"c":3}'],
    ['removes what is not there', '{"a":1}', { b: undefined }, '{"a":1}'],
    ['replaces every one of a name that stands twice', '{"a":1,"b":2,"a":3}', { a: 0 }, '{"a":0,"b":2,"a":0}'],
    ['removes every one of a name that stands twice', '{"a":1,"b":2,"a":3}', { a: undefined }, '{"b":2}'],
    ['finds a name that is written with escapes', '{"\\u006dodel":"x"}', { model: 'y' }, '{"\\u006dodel":"y"}'],
    [
      'leaves the same name deeper down',
      '{"a":{"model":"x"},"model":"x"}',
      { model: 'y' },
      '{"a":{"model":"x"},"model":"y"}',
    ],
    ['does not take a value for a name', '{"a":"model","model":"x"}', { model: 'y' }, '{"a":"model","model":"y"}'],
    [
      'is not misled by braces and quotes in texts',
      '{"a":"}\\"]{,:","model":"x"}',
      { model: 'y' },
      '{"a":"}\\"]{,:","model":"y"}',
    ],
    [
      'is not misled by a text that ends in backslashes',
      '{"a":"\\\\","model":"\\\\\\\\"}',
      { model: 'y' },
      '{"a":"\\\\","model":"y"}',
    ],
    [
      'keeps numbers as they were written',
      '{"a":1.0,"b":1E400,"c":12345678901234567890,"model":"x"}',
      { model: 'y' },
      '{"a":1.0,"b":1E400,"c":12345678901234567890,"model":"y"}',
    ],
    [
      'writes a name of the prototype like any other',
      '{"__proto__":1,"constructor":2}',
      { constructor: 3 },
      '{"__proto__":1,"constructor":3}',
    ],
    ['leaves all as it is for an empty patch', ' {"a" : 1 } ', {}, ' {"a" : 1 } '],
  ])('%s', (_what, text, patch, expected) => {
    expect(spliced(text, patch)).toBe(expected)
  })

  it.each([0, 1, 2, 3, 4, 5])(
    'knows where a long text ends that has %i escaped backslashes or quotes before its end',
    (count) => {
      for (const escape of ['\\\\', '\\"', '\\\\\\"']) {
        const long = `{"a":"${'x'.repeat(100)}${escape.repeat(count)}","model":"x"}`
        expect(spliced(long, { model: 'y' })).toBe(long.replace('"model":"x"', '"model":"y"'))
      }
    },
  )

  it('reads bytes that are a part of a larger buffer', () => {
    const whole = Buffer.from('xxxx{"model":"x"}yyyy')
    const part = new Uint8Array(whole.buffer, whole.byteOffset + 4, whole.length - 8)
    expect(Buffer.from(splice(part, layoutOf(part), { model: 'y' })).toString()).toBe('{"model":"y"}')
  })

  it('leaves bytes that are no UTF-8 as they came', () => {
    const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0x80, 0xc3]), Buffer.from('","model":"x"}')])
    const result = splice(bytes, layoutOf(bytes), { model: 'yy' })
    expect(Buffer.from(result).equals(Buffer.concat([bytes.subarray(0, -3), Buffer.from('yy"}')]))).toBe(true)
  })
})

const blank = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 })
const character = fc.constantFrom(
  'a',
  'b',
  '"',
  '\\',
  '/',
  '\n',
  '\u0001',
  '\u2028',
  'é',
  '世',
  '😀',
  '\ud800',
  '{',
  '}',
  ',',
  ':',
  '[',
)
/** Any UTF-16 code unit, lone surrogates included. fast-check's own `binary` takes seconds to make. */
const codeUnit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))

const text = fc.oneof(fc.string({ unit: character, maxLength: 90 }), fc.string({ unit: codeUnit, maxLength: 20 }))
/**
 * No name holds a backslash: having seen an object with the name `\`, V8's JSON.parse (Node 24.21) reads the name
 * `\u0062` of the next such object as `\` too, and would be no judge.
 */
const name = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'model', '__proto__', 'constructor', 'toString', ''),
  text.map((letters) => letters.replaceAll('\\', '')),
)

/** A text as JSON, some of its characters escaped in one of the ways that JSON knows. */
const written = (value: fc.Arbitrary<string>) =>
  fc.tuple(value, fc.infiniteStream(fc.nat({ max: 3 }))).map(([plain, ways]) => {
    const escaped = plain.split('').map((unit) => {
      const way = ways.next().value as number
      const hex = `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
      if (way === 0) return hex
      if (way === 1) return hex.toUpperCase().replace('\\U', '\\u')
      if (unit === '/' && way === 2) return '\\/'
      return JSON.stringify(unit).slice(1, -1)
    })
    return `"${escaped.join('')}"`
  })

const scalar = fc.oneof(
  written(text),
  fc.constantFrom(
    'true',
    'false',
    'null',
    '0',
    '-0',
    '1.0',
    '-12.5e+3',
    '1E5',
    '1e-7',
    '123456789012345678901234567890',
  ),
)

const { value } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, scalar, tie('list'), tie('object')),
  list: fc
    .tuple(blank, fc.array(fc.tuple(blank, tie('value'), blank), { maxLength: 3 }))
    .map(([inside, items]) => `[${items.length === 0 ? inside : items.map((item) => item.join('')).join(',')}]`),
  object: fc
    .tuple(blank, fc.array(fc.tuple(blank, written(name), blank, blank, tie('value'), blank), { maxLength: 3 }))
    .map(
      ([inside, items]) =>
        `{${items.length === 0 ? inside : items.map(([a, key, b, c, item, d]) => a + key + b + ':' + c + item + d).join(',')}}`,
    ),
}))

/** A field as it is written: what comes before its name, up to its value, the value, and what comes behind. */
const field = fc
  .tuple(blank, written(name), blank, blank, value, blank)
  .map(([lead, key, before, after, item, trail]) => ({
    key: JSON.parse(key) as string,
    lead,
    head: `${key}${before}:${after}`,
    value: item,
    trail,
  }))
type Field = typeof field extends fc.Arbitrary<infer T> ? T : never

const object = fc.tuple(blank, blank, blank, fc.array(field, { maxLength: 5 }))
const textOf = ([before, inside, after, fields]: readonly [string, string, string, readonly Field[]]) =>
  `${before}{${fields.length === 0 ? inside : fields.map((one) => one.lead + one.head + one.value + one.trail).join(',')}}${after}`

const patchOf = (keys: readonly string[]) =>
  fc
    .array(
      fc.tuple(
        keys.length === 0 ? name : fc.oneof(fc.constantFrom(...keys), fc.constantFrom(...keys), name),
        fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constant(undefined)),
      ),
      { maxLength: 5 },
    )
    .map((entries) =>
      entries.reduce<Record<string, unknown>>(
        (patch, [key, item]) =>
          Object.defineProperty(patch, key, { value: item, enumerable: true, configurable: true, writable: true }),
        {},
      ),
    )

const cases = object.chain((parts) => fc.tuple(fc.constant(parts), patchOf(parts[3].map(({ key }) => key))))

/** What JSON.parse makes of it, with the patch applied to that. */
function patched(json: string, patch: Patch): Map<string, string> {
  const fields = new Map(Object.entries(JSON.parse(json) as object).map(([key, item]) => [key, JSON.stringify(item)]))
  for (const [key, item] of Object.entries(patch)) {
    if (item === undefined) fields.delete(key)
    else fields.set(key, JSON.stringify(JSON.parse(JSON.stringify(item))))
  }
  return fields
}

describe('whatever the object and the patch', () => {
  it('parses to the patched object', () => {
    fc.assert(
      fc.property(cases, ([parts, patch]) => {
        const json = textOf(parts)
        const result = spliced(json, patch)
        const fields = new Map(
          Object.entries(JSON.parse(result) as object).map(([key, item]) => [key, JSON.stringify(item)]),
        )
        expect(fields).toEqual(patched(json, patch))
      }),
      { numRuns: 200 },
    )
  })

  it('keeps the fields that are not patched byte for byte, in their order, and the values of others only change', () => {
    fc.assert(
      fc.property(cases, ([parts, patch]) => {
        const result = spliced(textOf(parts), patch)
        let from = 0
        for (const { key, head, value: item } of parts[3]) {
          if (Object.hasOwn(patch, key) && patch[key] === undefined) continue
          const piece = head + (Object.hasOwn(patch, key) ? JSON.stringify(patch[key]) : item)
          const found = result.indexOf(piece, from)
          expect(found).toBeGreaterThanOrEqual(from)
          from = found + piece.length
        }
      }),
      { numRuns: 100 },
    )
  })

  it('changes not one other byte where values are only replaced', () => {
    fc.assert(
      fc.property(cases, ([parts, patch]) => {
        const replaced = Object.fromEntries(
          Object.entries(patch).filter(([key, item]) => item !== undefined && key !== '__proto__'),
        )
        const there = new Set(parts[3].map(({ key }) => key))
        for (const key of Object.keys(replaced)) if (!there.has(key)) delete replaced[key]
        const [before, inside, after, fields] = parts
        const expected = fields.map((one) => ({
          ...one,
          value: Object.hasOwn(replaced, one.key) ? JSON.stringify(replaced[one.key]) : one.value,
        }))
        expect(spliced(textOf(parts), replaced)).toBe(textOf([before, inside, after, expected]))
      }),
      { numRuns: 100 },
    )
  })

  it('can be patched again', () => {
    fc.assert(
      fc.property(cases, fc.jsonValue(), ([parts, patch], item) => {
        const twice = spliced(spliced(textOf(parts), patch), { model: item, a: undefined })
        const expected = patched(textOf(parts), { ...patch, model: item, a: undefined })
        expect(new Set(Object.keys(JSON.parse(twice) as object))).toEqual(new Set(expected.keys()))
      }),
    )
  })
})

/** Of the processor, in milliseconds, at best: other work on the machine does not count. */
const timeOf = (bytes: Uint8Array) => {
  const runs = Array.from({ length: 3 }, () => {
    const before = process.threadCpuUsage()
    splice(bytes, layoutOf(bytes), { model: 'y' })
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / 1_000
  })
  return Math.min(...runs)
}

describe('time', () => {
  it.each([
    ['escaped quotes', '\\"'],
    ['backslashes', '\\\\'],
    ['backslashes and quotes', '\\\\\\"'],
    ['plain letters', 'aa'],
  ])('grows with the length of a text full of %s, up to 10 MB, and no faster', (_what, unit) => {
    const bytesOf = (length: number) =>
      Buffer.from(`{"messages":[{"content":"${unit.repeat(length / unit.length)}"}],"model":"x"}`)
    const smallMs = Math.max(5, timeOf(bytesOf(1_000_000)))
    expect(timeOf(bytesOf(10_000_000))).toBeLessThan(smallMs * 50)
  })

  it.each([
    ['the number of fields', (count: number) => Array.from({ length: count }, (_, index) => `"k${index}":1,`).join('')],
    ['nesting', (depth: number) => `"a":${'['.repeat(depth)}${']'.repeat(depth)},`],
  ])('grows with %s, and no faster', (_what, fieldsOf) => {
    const bytesOf = (size: number) => Buffer.from(`{${fieldsOf(size)}"model":"x"}`)
    const smallMs = Math.max(5, timeOf(bytesOf(5_000)))
    expect(timeOf(bytesOf(50_000))).toBeLessThan(smallMs * 50)
  })
})
