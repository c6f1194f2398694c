import { validateHeaderName, validateHeaderValue } from 'node:http'

/** What is wrong with the head of an answer that is not our own; undefined where HTTP can say it. */
export function faultOfHead(status: unknown, headers: unknown): string | undefined {
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599)
    return `its status is no number from 200 to 599, but ${String(status)}`
  if (typeof headers !== 'object' || headers === null) return `its headers are no object, but ${String(headers)}`
  const wrong = Object.entries(headers).find(([name, value]) => !isHeader(name, value))
  return wrong && `its header ${JSON.stringify(wrong[0])} cannot be sent`
}

function isHeader(name: string, value: unknown): boolean {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value as string)
    return typeof value === 'string'
  } catch {
    return false
  }
}
