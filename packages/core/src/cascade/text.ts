import { type Verifier, accepted, rejected } from './verifier.ts'

/** Options of the verifier `regex`: one of the two, or both. */
export interface RegexVerifierOptions {
  /** The text must match it. */
  readonly accept?: string | undefined
  /** The text must not match it. */
  readonly reject?: string | undefined
}

/** Accepts an answer by its text. */
export function regexVerifier({ accept, reject }: RegexVerifierOptions): Verifier {
  const [wanted, unwanted] = [accept, reject].map((source) =>
    source === undefined ? undefined : new RegExp(source, 'u'),
  )
  return {
    name: 'regex',
    prepare:
      () =>
      ({ text }) => {
        if (unwanted?.test(text)) return rejected(`its text matches ${String(unwanted)}`)
        if (wanted && !wanted.test(text)) return rejected(`its text does not match ${String(wanted)}`)
        return accepted(wanted ? `its text matches ${String(wanted)}` : `its text does not match ${String(unwanted)}`)
      },
  }
}
