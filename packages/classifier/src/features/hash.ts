/** Where every hash of characters begins. */
export const seed = 0x811c9dc5

/** Takes one more number into a hash (FNV-1a). */
export const step = (hash: number, value: number) => Math.imul(hash ^ value, 0x01000193)

/** The hash of the characters from `start` to `end`. */
export function hashOf(text: string, start = 0, end = text.length): number {
  let hash = seed
  for (let at = start; at < end; at++) hash = step(hash, text.charCodeAt(at))
  return hash
}
