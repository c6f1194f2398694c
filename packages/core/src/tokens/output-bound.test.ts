import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { dialects } from '../dialects/index.ts'
import { outputBoundOf } from './output-bound.ts'

const count = fc.oneof(fc.constantFrom(2 ** 31, 1e300), fc.double({ noNaN: true }), fc.integer())

it('bounds the output by a count that a ledger can hold, whatever is asked for', () => {
  fc.assert(
    fc.property(count, count, (max_tokens, n) => {
      const request = dialects['openai-chat'].parse({ model: 'a', messages: [], max_tokens, n })
      expect(outputBoundOf({ request, surface: 'chat' }, { maxOutputTokens: undefined })).toSatisfy(
        Number.isSafeInteger,
      )
    }),
  )
})
