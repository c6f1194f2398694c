import { expect, it } from 'vitest'
import { inputTokensUpperBound, mediaBounds, mediaTokensUpperBound, toolPromptTokens } from './bounds.ts'

it('takes every byte for a token', () => {
  expect(inputTokensUpperBound({ textBytes: 4_000 })).toBe(4_001)
  expect(inputTokensUpperBound({ textBytes: 4_000, hasTools: true })).toBe(4_001 + toolPromptTokens)
})

it('adds the most that each image, second and page can cost', () => {
  const image = { kind: 'image' } as const
  const { openai, anthropic, google } = mediaBounds
  expect(inputTokensUpperBound({ textBytes: 99, media: [image, image], bounds: anthropic })).toBe(100 + 2 * 4_784)
  expect(mediaTokensUpperBound(image, openai)).toBe(48_169)
  expect(mediaTokensUpperBound({ kind: 'audio', durationMs: 1_001 }, google)).toBe(64)
  expect(mediaTokensUpperBound({ kind: 'video', durationMs: 10_000 }, google)).toBe(3_120)
  expect(mediaTokensUpperBound({ kind: 'file', pages: 3 }, google)).toBe(3_360)
})

it('knows no bound but the context window for what it cannot measure', () => {
  const media = [{ kind: 'file' }, { kind: 'audio' }] as const
  expect(inputTokensUpperBound({ textBytes: 1, media })).toBe(Infinity)
  expect(inputTokensUpperBound({ textBytes: 1, media, contextWindow: 128_000 })).toBe(128_000)
  expect(mediaTokensUpperBound({ kind: 'file', pages: 3 }, mediaBounds.openai)).toBe(Infinity)
})

it('takes the largest bound where the vendor is not known', () => {
  const vendors = [mediaBounds.openai, mediaBounds.anthropic, mediaBounds.google]
  const most = (name: 'tokensPerImage' | 'tokensPerAudioSecond' | 'tokensPerVideoSecond') =>
    Math.max(...vendors.map((bounds) => bounds[name] ?? 0))
  expect(mediaBounds.unknown).toEqual({
    tokensPerImage: most('tokensPerImage'),
    tokensPerAudioSecond: most('tokensPerAudioSecond'),
    tokensPerVideoSecond: most('tokensPerVideoSecond'),
  })
})
