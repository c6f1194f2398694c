import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { noUsage } from '../reply.ts'
import { type CachedAnswer, decodeAnswer, encodeAnswer } from './answer.ts'

const answer: fc.Arbitrary<CachedAnswer> = fc.record({
  dialect: fc.constantFrom('openai-chat', 'anthropic-messages'),
  model: fc.string(),
  headers: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
  streamed: fc.boolean(),
  tellsUsage: fc.boolean(),
  body: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  usage: fc.constant(noUsage),
  storedAt: fc.nat(),
  costNanoUsd: fc.nat(),
  tookMs: fc.nat(),
})

it('an answer comes back of its bytes as it was', () => {
  fc.assert(
    fc.property(answer, (one) => {
      expect(decodeAnswer(encodeAnswer(one))).toEqual(one)
    }),
  )
})

it('bytes that are not as they were written are no answer', () => {
  fc.assert(
    fc.property(answer, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (one, at, change, isCut) => {
      const bytes = Buffer.from(encodeAnswer(one))
      const place = at % bytes.length
      bytes[place] = bytes[place]! ^ change
      expect(decodeAnswer(isCut ? bytes.subarray(0, place) : bytes)).toBeUndefined()
    }),
  )
  expect(decodeAnswer(new Uint8Array(0))).toBeUndefined()
})
