/** What a character is to the tokeniser. */
export const kinds = { space: 0, letter: 1, digit: 2, mark: 3, ideograph: 4 } as const

/** One of {@link kinds}. */
type Kind = (typeof kinds)[keyof typeof kinds]

/** The kind of a UTF-16 code unit. A lone surrogate is a letter like any other: nothing is refused. */
export function kindOf(code: number): Kind {
  return code < 128 ? asciiKinds[code]! : wideKind(code)
}

const asciiKinds = Array.from({ length: 128 }, (_, code): Kind => {
  if (code <= 32 || code === 127) return kinds.space
  if (code >= 48 && code <= 57) return kinds.digit
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 ? kinds.letter : kinds.mark
})

function wideKind(code: number): Kind {
  if (code === 0x85 || code === 0xa0 || code === 0x3000 || code === 0xfeff) return kinds.space
  if (code < 0xc0) return kinds.mark
  if (code >= 0x2000 && code <= 0x206f) return isGeneralSpace(code) ? kinds.space : kinds.mark
  if (code >= 0x2070 && code <= 0x2bff) return kinds.mark
  if (code >= 0x3001 && code <= 0x303f) return kinds.mark
  if (code >= 0xff00 && code <= 0xff20) return code >= 0xff10 && code <= 0xff19 ? kinds.digit : kinds.mark
  return isIdeograph(code) ? kinds.ideograph : kinds.letter
}

const isGeneralSpace = (code: number) => code <= 0x200b || (code >= 0x2028 && code <= 0x202f)

/** Scripts that put no space between words: each character is a token, and pairs of them stand for words. */
const isIdeograph = (code: number) =>
  (code >= 0x3040 && code <= 0x9fff) || (code >= 0xf900 && code <= 0xfaff) || (code >= 0x0e00 && code <= 0x0eff)
