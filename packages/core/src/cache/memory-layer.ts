import { LRUCache } from 'lru-cache'
import { ownBytes } from '../buffer.ts'
import type { CachedAnswer } from './answer.ts'
import type { AnswerLayer } from './layer.ts'

/** What an entry takes besides its body: its key, its head, and what the table around them needs. */
const overheadBytes = 1_024
/** The share of the whole that one answer may take. */
const largestShare = 1 / 8

/** Keeps answers in this process, in so many bytes at the most; what was not asked for longest goes first. */
export function createMemoryLayer({ maximumBytes }: { readonly maximumBytes: number }): AnswerLayer {
  const answers = new LRUCache<string, CachedAnswer>({
    maxSize: maximumBytes,
    maxEntrySize: Math.max(1, Math.floor(maximumBytes * largestShare)),
    sizeCalculation: ({ body }) => body.length + overheadBytes,
  })
  return {
    name: 'memory',
    get(key) {
      const answer = answers.get(key)
      // A copy: what one caller does to its bytes is not for the next one to see.
      return answer && { ...answer, body: Buffer.from(answer.body) }
    },
    set: (key, answer) => void answers.set(key, { ...answer, body: ownBytes(answer.body) }),
    size: () => ({ entries: answers.size, bytes: answers.calculatedSize, maximumBytes }),
    close: () => answers.clear(),
  }
}
