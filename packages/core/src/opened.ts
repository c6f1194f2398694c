/** What was opened, and has to be let go of: at the end, or when the rest cannot be made. */
export interface Opened {
  /** Takes what lets go of something. */
  add(letGo: () => unknown): void
  /** Lets go of everything, the last first. What cannot be let go of keeps nothing else. */
  letGo(): Promise<void>
}

/** Makes an empty list of what was opened. */
export function createOpened(): Opened {
  const opened: (() => unknown)[] = []
  return {
    add: (letGo) => void opened.push(letGo),
    async letGo() {
      for (const letGo of opened.splice(0).toReversed()) {
        try {
          await letGo()
        } catch {}
      }
    },
  }
}
