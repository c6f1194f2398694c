/** Bytes as they come, to be read in the sizes that a parser wants. Every read gives undefined at the end. */
export interface ByteSource {
  push(bytes: Buffer): void
  end(): void
  /** Reads up to and including the delimiter; throws when it does not come within `limit` bytes. */
  readThrough(delimiter: string, limit: number): Promise<Buffer | undefined>
  /** Reads what is there, 1 to `limit` bytes of it. */
  readSome(limit: number): Promise<Buffer | undefined>
}

export function createByteSource(): ByteSource {
  let buffered: Buffer = Buffer.alloc(0)
  let ended = false
  let wake: (() => void) | undefined

  return {
    push(bytes) {
      buffered = buffered.length === 0 ? bytes : Buffer.concat([buffered, bytes])
      wake?.()
    },
    end() {
      ended = true
      wake?.()
    },
    async readThrough(delimiter, limit) {
      for (;;) {
        const index = buffered.indexOf(delimiter)
        if (index >= 0) return take(index + delimiter.length)
        if (buffered.length > limit) throw new Error(`no ${JSON.stringify(delimiter)} within ${limit} bytes`)
        if (ended) return undefined
        await more()
      }
    },
    async readSome(limit) {
      while (buffered.length === 0) {
        if (ended) return undefined
        await more()
      }
      return take(Math.min(limit, buffered.length))
    },
  }

  function take(length: number): Buffer {
    const taken = buffered.subarray(0, length)
    buffered = buffered.subarray(length)
    return taken
  }

  function more(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve
    })
  }
}
