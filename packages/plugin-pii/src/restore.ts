import { type Reply, mapAnswerText } from '@signalbox/core'
import { isKept, isToolInput } from './fields.ts'
import type { Vault } from './vault.ts'

/** The reply with the values of the vault in the place of its pseudonyms. */
export function restoreReply(reply: Reply, vault: Vault): Reply {
  return mapAnswerText(withNames(reply, vault), (text, write) => vault.restore(text, write), {
    isText: (field, holder) => !isKept(field, holder),
    hold: (text) => vault.openEnd(text),
  })
}

/** The reply with values in the names of fields of what a tool is given: a model may write that as a table. */
function withNames(reply: Reply, vault: Vault): Reply {
  if (!(reply.body instanceof Uint8Array)) return reply
  const json = Buffer.from(reply.body).toString()
  if (!pseudonymInName.test(json)) return reply
  const data = parse(json)
  const named = restoreNames(data, vault)
  return named === data ? reply : { ...reply, body: Buffer.from(JSON.stringify(named)) }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json) as unknown
  } catch {
    return undefined
  }
}

const pseudonymInName = /\[\w+_\d+\][^"]*"\s*:/

function restoreNames(value: unknown, vault: Vault, isInput = false): unknown {
  if (typeof value !== 'object' || value === null) return value
  const before = Object.entries(value)
  const after = before.map(([name, inner]) => {
    const restored = restoreNames(inner, vault, isInput || isToolInput(name, inner))
    return [isInput ? vault.restore(name) : name, restored] as const
  })
  if (after.every(([name, inner], index) => name === before[index]![0] && inner === before[index]![1])) return value
  return Array.isArray(value) ? after.map(([, inner]) => inner) : Object.fromEntries(after)
}
