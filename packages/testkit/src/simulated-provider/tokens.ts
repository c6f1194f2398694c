const piece =
  / ?[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]{1,2}| ?[\p{L}\p{M}\p{N}]{1,6}| ?[^\s\p{L}\p{M}\p{N}]{1,2}|\n+| +|\s/gu

/**
 * Cuts a text into pieces of about a token's size. Joined, the pieces are the text. Not any real model's
 * tokenizer: near its counts for Western text, a little above for the rest.
 */
export function splitTokens(text: string): string[] {
  return text.match(piece) ?? []
}
