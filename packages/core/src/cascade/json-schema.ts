import { dereference, validate } from '@cfworker/json-schema'
import { isRecord } from '../is-record.ts'

/** What is wrong with a value by a JSON Schema; undefined where nothing is. */
export type SchemaFault = (value: unknown) => string | undefined

/** References that are followed for one value: a schema can ask for more work than there is time. */
const mostReferences = 10_000

/**
 * Checks values against a JSON Schema (2020-12 and before). Expressions in a schema that came with a request
 * (`isForeign`) are left out: anyone could send one that holds up the process. A schema that cannot be followed is a
 * fault of every value.
 */
export function schemaFault(schema: unknown, { isForeign = false } = {}): SchemaFault {
  const own = copyOf(schema, isForeign)
  return (value) => {
    try {
      const { valid, errors } = validate(value, own, '2020-12', counted(dereference(own)))
      const [first] = errors.toReversed()
      return valid ? undefined : `${first?.instanceLocation ?? '#'}: ${first?.error ?? 'it does not fit'}`
    } catch (error) {
      return `the schema cannot be followed: ${(error as Error).message.split('\n')[0]}`
    }
  }
}

/** Following references marks the schema, which is not ours. */
function copyOf(schema: unknown, isForeign: boolean): Record<string, unknown> | boolean {
  const copy: unknown = JSON.parse(JSON.stringify(schema ?? true), (_key, value: unknown) =>
    isForeign && isRecord(value) ? withoutExpressions(value) : value,
  )
  return isRecord(copy) ? copy : copy !== false
}

/** What is called `pattern` and is no text is the schema of a property. */
function withoutExpressions(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const isOpen = isRecord(schema['patternProperties'])
  const left = Object.entries(schema).filter(
    ([key, value]) => !isExpression(key, value) && !(isOpen && beyondPatterns.has(key)),
  )
  return Object.fromEntries(left)
}

const isExpression = (key: string, value: unknown) => key === 'pattern' && typeof value === 'string'

const beyondPatterns: ReadonlySet<string> = new Set([
  'patternProperties',
  'additionalProperties',
  'unevaluatedProperties',
])

function counted(lookup: ReturnType<typeof dereference>): ReturnType<typeof dereference> {
  let followed = 0
  return new Proxy(lookup, {
    get(target, name, receiver) {
      if (++followed > mostReferences) throw new Error(`it takes more than ${mostReferences} references`)
      return Reflect.get(target, name, receiver) as unknown
    },
  })
}
