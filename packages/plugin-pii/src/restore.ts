import { type Reply, plainReply, streamOf } from '@signalbox/core'
import { isToolInput } from './fields.ts'
import { type Json, eachText, parse } from './json.ts'
import { StreamRestorer } from './restore-stream.ts'
import type { Vault } from './vault.ts'

/** The reply with the values of the vault in the place of its pseudonyms. */
export function restoreReply(reply: Reply, vault: Vault): Reply {
  const { status, headers, dialect, model, body, ended } = reply
  if (!(body instanceof Uint8Array)) return { ...reply, body: streamOf(restoreStream(body, vault)) }
  const data = parse(Buffer.from(body).toString())
  if (data === undefined) return reply
  const isChanged = restoreTexts(data, vault)
  const named = restoreNames(data, vault)
  if (!isChanged && named === data) return reply
  return { ...plainReply({ status, headers, dialect, model, body: Buffer.from(JSON.stringify(named)) }), ended }
}

/** The same with values in the names of fields of what a tool is given: a model may write that as a table. */
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

/** Restores every text in it, and says whether that changed any. */
function restoreTexts(data: Json, vault: Vault): boolean {
  let isChanged = false
  eachText(data, ({ text, write, put }) => {
    const restored = vault.restore(text, write)
    if (restored === text) return
    put(restored)
    isChanged = true
  })
  return isChanged
}

async function* restoreStream(
  chunks: AsyncIterable<Uint8Array>,
  vault: Vault,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new TextDecoder()
  const events = new StreamRestorer(vault)
  let rest = ''
  for await (const chunk of chunks) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split(/(?<=\r?\n\r?\n)/)
    rest = endsEvent.test(pieces.at(-1)!) ? '' : pieces.pop()!
    const text = pieces.map((event) => events.restore(event)).join('')
    if (text !== '') yield Buffer.from(text)
  }
  const last = events.restore(rest + decoder.decode()) + events.flush()
  if (last !== '') yield Buffer.from(last)
}

const endsEvent = /\r?\n\r?\n$/
