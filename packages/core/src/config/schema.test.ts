import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { configJsonSchema, fileSchema } from './schema.ts'

interface Node {
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: Node | false
  readonly propertyNames?: { readonly pattern?: string }
  readonly required?: readonly string[]
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly const?: unknown
}

const schema = configJsonSchema() as Node
const model = { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:9001/v1' }

describe('the JSON Schema', () => {
  it('stands in schema.json as it is generated: run `pnpm --filter @signalbox/core generate`', () => {
    const written: unknown = JSON.parse(readFileSync(new URL('../../schema.json', import.meta.url), 'utf8'))
    expect(written).toEqual(JSON.parse(JSON.stringify(schema)))
  })

  it('is exported by the package, in the workspace and as it is published', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      exports: Record<string, unknown>
      publishConfig: { exports: Record<string, unknown> }
      files: string[]
    }
    expect(manifest.exports['./schema.json']).toBe('./schema.json')
    expect(manifest.publishConfig.exports['./schema.json']).toBe('./schema.json')
    expect(manifest.files).toContain('schema.json')
  })

  it('has only formats that JSON Schema knows: strict validators refuse others', () => {
    const formats = JSON.stringify(schema).matchAll(/"format":"([^"]+)"/g)
    expect(new Set([...formats].map(([, format]) => format))).toEqual(new Set(['uri', 'date', 'date-time']))
  })

  it('names every section of a configuration file, and takes no other', () => {
    expect(Object.keys(schema.properties!).toSorted()).toEqual(Object.keys(fileSchema.shape).toSorted())
    expect(schema.additionalProperties).toBe(false)
    expect(schema.required).toEqual(['models'])
  })

  it('has nothing in it that only code can say', () => {
    for (const name of ['logger', 'clock', 'random']) expect(schema.properties).not.toHaveProperty(name)
    expect(JSON.stringify(schema)).not.toContain('dispatcher')
  })

  it('says which names a header can carry', () => {
    const pattern = new RegExp(schema.properties!['models']!.propertyNames!.pattern!)
    expect(pattern.test('gpt-4.1')).toBe(true)
    expect(pattern.test('a\r\nb')).toBe(false)
  })

  it('takes $schema', () => {
    expect(schema.properties).toHaveProperty('$schema')
  })
})

describe('the configuration as data', () => {
  it('takes what a file may hold', () => {
    const file = {
      $schema: './schema.json',
      version: 1,
      models: { a: { ...model, apiKey: '$KEY' } },
      routes: { auto: { models: ['a'], strategy: 'weighted' } },
    }
    expect(fileSchema.safeParse(file).success).toBe(true)
  })

  it.each([
    ['a function for a key', { models: { a: { ...model, apiKey: () => 'k' } } }],
    ['a dispatcher', { models: { a: { ...model, dispatcher: { dispatch: () => true } } } }],
    ['a rank function', { models: { a: model }, routes: { auto: { models: ['a'], strategy: () => [] } } }],
    ['a clock', { models: { a: model }, clock: { now: () => 0 } }],
  ])('does not take %s', (_what, file) => {
    expect(fileSchema.safeParse(file).success).toBe(false)
  })
})
