import { expect, it, onTestFinished } from 'vitest'
import { createRouter, openai } from './index.ts'

it.each([
  ['call', Number.NaN, 'score: expected a number from 0 to 1, got NaN'],
  ['call', Infinity, 'score: expected a number from 0 to 1, got Infinity'],
  ['call', 1n, 'score: expected a number from 0 to 1, got a bigint'],
  ['call', { toJSON: () => 1n }, 'score: expected a number from 0 to 1, got an object'],
  [1n, 1, 'id: expected the id of a call, got a bigint'],
])('refuses what is no feedback, and says what came: %s %s', async (id, score, message) => {
  const router = createRouter({ models: { small: openai('gpt-4.1-mini', { apiKey: 'k' }) }, ledger: 'memory' })
  onTestFinished(() => router.close())
  await expect(router.feedback(id as never, score as never)).rejects.toMatchObject({ code: 'invalid_body', message })
})
