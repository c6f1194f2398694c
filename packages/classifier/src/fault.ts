import { SignalboxError } from '@signalbox/core'

/** What is wrong with options, as a configuration's faults are told. */
export const fault = (what: string, message: string, cause?: unknown) =>
  new SignalboxError('invalid_config', `The ${what} has a fault:\n  ${message}`, { cause })

/** A value in an error. */
export const shown = (value: unknown) =>
  typeof value === 'number' ? String(value) : (JSON.stringify(value)?.slice(0, 60) ?? String(value))

/** Refuses what is no object of these keys. */
export function checkKeys(options: unknown, known: readonly string[], what: string): void {
  if (typeof options !== 'object' || options === null) throw fault(what, `expected an object, got ${shown(options)}`)
  const stranger = Object.keys(options).find((key) => !known.includes(key))
  if (stranger !== undefined) throw fault(what, `${stranger}: unknown key; there are ${known.join(', ')}`)
}
