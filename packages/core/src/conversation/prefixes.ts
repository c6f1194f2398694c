import { hash } from 'node:crypto'
import type { Identity, Message, Request } from '../types.ts'

/** Of a long message so much of each end is looked at, and its length: the time it takes is bounded. */
const endLength = 512

/** The names of each request, and whose conversation on which route they are of. */
const known = new WeakMap<Request, { readonly of: string; readonly names: readonly string[] }>()

/**
 * Names each beginning of a conversation, the shortest first and the whole last: the next call of the same conversation
 * begins with the same messages, and so has the same names. Names of one caller's conversations are never those of
 * another's.
 */
export function prefixesOf(request: Request, { key, user, team }: Identity, route: string): readonly string[] {
  const of = JSON.stringify([key, user, team, route])
  const before = known.get(request)
  if (before?.of === of) return before.names
  let name = of
  const names = request.messages.map((message) => (name = hash('sha1', name + shownOf(message), 'base64')))
  known.set(request, { of, names })
  return names
}

function shownOf({ role, text, unspoken = '' }: Message): string {
  const parts = [text, unspoken].map((part) =>
    part.length <= 2 * endLength ? part : `${part.length} ${part.slice(0, endLength)}${part.slice(-endLength)}`,
  )
  return JSON.stringify([role, ...parts])
}
