const smallestPrefix = 1024
const step = 128
const maxEntries = 100_000

/**
 * Imitates OpenAI's prompt cache: the longest prefix of at least 1,024 tokens, in steps of 128, that this model
 * was sent before counts as cached. Call it once for each prompt: it also remembers the prompt.
 */
export function createPromptCache(): (model: string, tokens: readonly string[]) => number {
  const seen = new Set<string>()

  return function cachedTokens(model, tokens) {
    if (tokens.length < smallestPrefix) return 0
    if (seen.size > maxEntries) seen.clear()
    let cached = 0
    let hash = 0x811c9dc5
    for (let count = 1; count <= tokens.length; count += 1) {
      hash = hashText(tokens[count - 1]!, hash)
      if (count < smallestPrefix || count % step !== 0) continue
      const prefix = `${model} ${count} ${hash}`
      if (seen.has(prefix)) cached = count
      else seen.add(prefix)
    }
    return cached
  }
}

function hashText(text: string, start: number): number {
  let hash = start
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash
}
