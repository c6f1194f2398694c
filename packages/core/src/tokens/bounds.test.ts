import { expect, it } from 'vitest'
import { inputTokensUpperBound, tokensPerImage, toolPromptTokens } from './bounds.ts'

it('takes every byte for a token', () => {
  expect(inputTokensUpperBound({ textBytes: 4_000 })).toBe(4_001)
  expect(inputTokensUpperBound({ textBytes: 4_000, hasTools: true })).toBe(4_001 + toolPromptTokens)
})

it('adds the most that each image can cost', () => {
  const image = { kind: 'image' } as const
  expect(tokensPerImage).toBe(48_169)
  expect(inputTokensUpperBound({ textBytes: 99, media: [image, image] })).toBe(100 + 2 * 48_169)
})

it('knows no bound but the context window for what it cannot measure', () => {
  for (const kind of ['file', 'audio', 'video'] as const) {
    const media = [{ kind }]
    expect(inputTokensUpperBound({ textBytes: 1, media })).toBe(Infinity)
    expect(inputTokensUpperBound({ textBytes: 1, media, contextWindow: 128_000 })).toBe(128_000)
  }
})
