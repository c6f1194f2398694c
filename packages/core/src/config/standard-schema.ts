import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type ConfigFault, configError, faultAt } from './fault.ts'
import { isPromise } from '../store/after.ts'

/** What a schema made of a value. */
type Reading = { readonly value: unknown } | { readonly faults: readonly ConfigFault[] }

/** Reads a value by any Standard Schema. `path` is where the value stands. https://standardschema.dev */
export function readBySchema(schema: StandardSchemaV1, value: unknown, path: string): Reading {
  let result: ReturnType<StandardSchemaV1['~standard']['validate']>
  try {
    result = schema['~standard'].validate(value)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { faults: [{ path, message: `could not be checked: ${why}` }] }
  }
  if (isPromise(result)) {
    result.catch(() => undefined)
    return { faults: [{ path, message: 'expected a schema that answers at once, got one that answers by promise' }] }
  }
  if (!result.issues) return { value: result.value }
  return { faults: result.issues.map((issue) => faultAt([path, ...keysOf(issue)], issue.message, { [path]: value })) }
}

/**
 * Reads options by a schema.
 *
 * @throws SignalboxError `invalid_config` with every fault
 */
export function readOptions(schema: StandardSchemaV1, options: unknown, subject: string): unknown {
  const reading = readBySchema(schema, options, 'options')
  if ('faults' in reading) throw configError(reading.faults, `The ${subject}`)
  return reading.value
}

/** Some libraries have lists of their own kind, whose `map` makes something else. */
const keysOf = ({ path = [] }: StandardSchemaV1.Issue) =>
  Array.from(path, (segment) => (typeof segment === 'object' ? segment.key : segment))
