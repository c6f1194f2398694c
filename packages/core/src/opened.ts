import { SignalboxError } from './errors.ts'

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

/** The error for a file that was to hold something and cannot. */
export function cannotBeKept(what: string, file: string, cause: unknown): SignalboxError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SignalboxError('invalid_config', `the ${what} cannot be kept in ${file}: ${why}`, { cause })
}
