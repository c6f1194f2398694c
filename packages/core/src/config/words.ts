import type { z } from 'zod'

const kinds: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  object: 'an object',
  record: 'an object',
}

/** What a built-in schema expected, in words that need no knowledge of it; undefined leaves the schema's own. */
export function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return `expected ${kinds[issue.expected] ?? `a ${issue.expected}`}`
  if (issue.code === 'invalid_value')
    return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(quoted).join(', ')}`
  if (issue.code === 'too_small')
    return bounded(issue.origin, issue.inclusive === false ? `above ${issue.minimum}` : `of ${issue.minimum} or more`)
  if (issue.code === 'too_big')
    return bounded(
      issue.origin,
      issue.inclusive === false ? `below ${issue.maximum}` : `of ${issue.maximum} at the most`,
    )
  if (issue.code === 'invalid_format' && issue.format.startsWith('date'))
    return 'expected a time such as "2027-01-31" or "2027-01-31T12:00Z"'
  return undefined
}

const quoted = (value: unknown) => (typeof value === 'string' ? JSON.stringify(value) : String(value))

function bounded(origin: string, bound: string): string {
  if (origin === 'string') return `expected a text ${bound} characters`
  return `expected a ${origin === 'array' ? 'list' : 'number'} ${bound}`
}
