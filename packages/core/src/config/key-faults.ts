import { createHash } from 'node:crypto'
import { type ConfigFault, dotted } from './fault.ts'

type Fields = Readonly<Record<string, unknown>>

/** What is wrong with API keys among themselves, and with the names they are held to. No fault shows a key. */
export function apiKeyFaults(
  keys: readonly Fields[],
  { models, routes }: { readonly models: ReadonlySet<string>; readonly routes: ReadonlySet<string> },
): ConfigFault[] {
  const places = new Map<string, number>()
  return keys.flatMap((key, place) => {
    const digest = digestOf(key)
    const earlier = digest === undefined ? undefined : places.get(digest)
    if (digest !== undefined && earlier === undefined) places.set(digest, place)
    const twice = { path: dotted(['keys', place]), message: `expected another key than keys[${earlier}], got the same` }
    return [
      ...(earlier === undefined ? [] : [twice]),
      ...unknownNames(key, ['keys', place, 'routes'], new Set([...models, ...routes])),
      ...unknownNames(key, ['keys', place, 'models'], models),
    ]
  })
}

function digestOf({ key, sha256 }: Fields): string | undefined {
  if (typeof sha256 === 'string') return sha256
  return typeof key === 'string' ? createHash('sha256').update(key).digest('hex') : undefined
}

function unknownNames(key: Fields, path: readonly ['keys', number, 'routes' | 'models'], known: ReadonlySet<string>) {
  const names: unknown = key[path[2]]
  if (!Array.isArray(names)) return []
  const what = path[2] === 'models' ? 'model' : 'route or model'
  return names.flatMap((name: unknown, place) =>
    typeof name !== 'string' || known.has(name)
      ? []
      : [{ path: dotted([...path, place]), message: `no ${what} is named ${JSON.stringify(name)}` }],
  )
}
