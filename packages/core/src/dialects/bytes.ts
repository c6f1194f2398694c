/** Whether bytes begin with others. */
export function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  if (bytes.length < head.length) return false
  for (let index = 0; index < head.length; index++) if (bytes[index] !== head[index]) return false
  return true
}

/** Whether bytes end with others. */
export function endsWith(bytes: Uint8Array, tail: Uint8Array): boolean {
  const offset = bytes.length - tail.length
  if (offset < 0) return false
  for (let index = tail.length - 1; index >= 0; index--) if (bytes[offset + index] !== tail[index]) return false
  return true
}
