import { expect, it } from 'vitest'
import { fitsContextWindow } from './window.ts'

it('counts the answer that is asked for', () => {
  expect(fitsContextWindow({ inputTokens: 120_000, contextWindow: 128_000 })).toBe(true)
  expect(fitsContextWindow({ inputTokens: 120_000, outputTokens: 8_000, contextWindow: 128_000 })).toBe(true)
  expect(fitsContextWindow({ inputTokens: 120_000, outputTokens: 8_001, contextWindow: 128_000 })).toBe(false)
})

it('lets everything into a window that is not known', () => {
  expect(fitsContextWindow({ inputTokens: 1e9, outputTokens: 1e9, contextWindow: undefined })).toBe(true)
})
