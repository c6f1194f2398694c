import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type ConfigFault, configError, faultAt } from './config/fault.ts'

/** What a schema made of a value. */
type Reading = { readonly value: unknown } | { readonly faults: readonly ConfigFault[] }

/** Reads a value by any Standard Schema. `path` is where the value stands. https://standardschema.dev */
export function readBySchema(schema: StandardSchemaV1, value: unknown, path: string): Reading {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) {
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

const keysOf = ({ path = [] }: StandardSchemaV1.Issue) =>
  path.map((segment) => (typeof segment === 'object' ? segment.key : segment))
