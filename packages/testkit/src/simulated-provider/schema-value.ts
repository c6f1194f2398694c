import { isObject, type JsonObject } from './json-object.ts'

export interface SchemaHints {
  /** The prompt: numbers, and capitalised names for places and people, are taken from it. */
  prompt: string
  /** What a property named `answer`, `text`, `summary` and the like says. */
  answer: string
}

interface Place {
  root: JsonObject
  hints: SchemaHints
  name: string
  depth: number
}

const maxDepth = 6

/**
 * Makes a plausible value for a JSON Schema: the subset that OpenAI's structured outputs know, and `allOf`.
 * `pattern` is not honoured.
 */
export function schemaValue(schema: unknown, hints: SchemaHints): unknown {
  return valueOf(schema, { root: isObject(schema) ? schema : {}, hints, name: '', depth: 0 })
}

function valueOf(given: unknown, place: Place): unknown {
  const schema = resolve(given, place.root)
  if ('const' in schema) return schema.const
  if (Array.isArray(schema.enum)) return mentioned(schema.enum, place.hints.prompt)
  const branches = [schema.anyOf, schema.oneOf].find(Array.isArray) as unknown[] | undefined
  if (branches) return valueOf(branches[branchFor(branches, place)], place)
  const types = [schema.type ?? (schema.properties ? 'object' : schema.items ? 'array' : 'string')].flat()
  const type = place.depth >= maxDepth && types.includes('null') ? 'null' : types[0]
  if (type === 'object') return objectOf(schema, place)
  if (type === 'array') return arrayOf(schema, place)
  if (type === 'number' || type === 'integer') return numberOf(schema, place)
  if (type === 'boolean') return true
  return type === 'null' ? null : stringOf(schema, place)
}

function resolve(given: unknown, root: JsonObject): JsonObject {
  let schema = isObject(given) ? given : {}
  for (let hop = 0; hop < 20 && typeof schema.$ref === 'string'; hop += 1) {
    const found = schema.$ref
      .replace(/^#\/?/, '')
      .split('/')
      .filter(Boolean)
      .reduce<unknown>(
        (node, key) => (isObject(node) ? node[key.replaceAll('~1', '/').replaceAll('~0', '~')] : {}),
        root,
      )
    schema = isObject(found) ? found : {}
  }
  if (!Array.isArray(schema.allOf)) return schema
  const { allOf, ...rest } = schema
  return allOf.map((part) => resolve(part, root)).reduce(merge, rest)
}

function merge(left: JsonObject, right: JsonObject): JsonObject {
  const properties = { ...(left.properties as JsonObject | undefined), ...(right.properties as JsonObject | undefined) }
  const required = [
    ...((left.required as string[] | undefined) ?? []),
    ...((right.required as string[] | undefined) ?? []),
  ]
  return { ...left, ...right, properties, required }
}

function branchFor(branches: unknown[], { root, depth }: Place): number {
  if (depth < maxDepth) return 0
  const ending = branches.findIndex(
    (branch) => !['object', 'array', undefined].includes(resolve(branch, root).type as string),
  )
  return Math.max(ending, 0)
}

function objectOf(schema: JsonObject, place: Place): JsonObject {
  const properties = isObject(schema.properties) ? schema.properties : {}
  const required = Array.isArray(schema.required) ? (schema.required as string[]) : []
  const wanted =
    place.depth >= maxDepth
      ? Object.keys(properties).filter((name) => required.includes(name))
      : Object.keys(properties)
  const deeper = place.depth + 1
  if (deeper > maxDepth * 4) return {}
  return Object.fromEntries(wanted.map((name) => [name, valueOf(properties[name], { ...place, name, depth: deeper })]))
}

function arrayOf(schema: JsonObject, place: Place): unknown[] {
  const minimum = typeof schema.minItems === 'number' ? schema.minItems : place.depth >= maxDepth ? 0 : 1
  const maximum = typeof schema.maxItems === 'number' ? schema.maxItems : Infinity
  const length = Math.min(minimum, maximum)
  return Array.from({ length }, () => valueOf(schema.items, { ...place, depth: place.depth + 1 }))
}

function numberOf(schema: JsonObject, { hints }: Place): number {
  const whole = [schema.type].flat().includes('integer')
  const bound = (name: string, otherwise: number) => (typeof schema[name] === 'number' ? schema[name] : otherwise)
  const step = bound('multipleOf', whole ? 1 : 0)
  const margin = step || 0.001
  const minimum = Math.max(bound('minimum', -Infinity), bound('exclusiveMinimum', -Infinity) + margin)
  const maximum = Math.min(bound('maximum', Infinity), bound('exclusiveMaximum', Infinity) - margin)
  const wished = Number(/-?\d+(\.\d+)?/.exec(hints.prompt)?.[0] ?? 1)
  const value = Math.min(Math.max(wished, minimum), maximum)
  if (!step) return value
  const rounded = Math.ceil(value / step) * step
  return rounded <= maximum ? rounded : Math.floor(value / step) * step
}

const formats: Record<string, string> = {
  'date-time': '2026-01-01T12:00:00Z',
  date: '2026-01-01',
  time: '12:00:00Z',
  duration: 'PT1H',
  email: 'someone@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
}

function stringOf(schema: JsonObject, { name, hints }: Place): string {
  const format = formats[String(schema.format)]
  if (format) return format
  const minimum = typeof schema.minLength === 'number' ? schema.minLength : 0
  const maximum = typeof schema.maxLength === 'number' ? schema.maxLength : Infinity
  const text = textFor(name, hints)
  return text.padEnd(minimum, '.').slice(0, maximum)
}

function textFor(name: string, { prompt, answer }: SchemaHints): string {
  if (/answer|text|summary|content|message|reason|explanation|description|^$/i.test(name)) return answer
  if (/query|question|prompt|search|input|expression/i.test(name)) return prompt.slice(0, 200)
  if (/city|location|place|country|destination|name|person|title/i.test(name)) return properName(prompt) ?? 'Hanoi'
  if (/unit/i.test(name)) return 'celsius'
  if (/lang/i.test(name)) return 'en'
  return `example ${name}`
}

function properName(prompt: string): string | undefined {
  const names = prompt.match(/(?<=\S\s+)\p{Lu}[\p{L}\p{M}]+(?:\s+\p{Lu}[\p{L}\p{M}]+)*/gu)
  return names?.at(-1)
}

function mentioned(values: unknown[], prompt: string): unknown {
  const lowered = prompt.toLowerCase()
  return (
    values.find((value) => typeof value === 'string' && value && lowered.includes(value.toLowerCase())) ?? values[0]
  )
}
