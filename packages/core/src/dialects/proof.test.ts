import { describe, expect, it } from 'vitest'
import type { Proof } from './neutral.ts'
import { sealed, unsealed } from './proof.ts'

const unsealedHere = (text: string) => unsealed(text, 'anthropic-messages', 'signature')

describe('a proof in a field of another dialect', () => {
  it.each(['rs_1', 'rs.1', 'rs%1', 'ř/🏯', undefined])('comes back as it went, with the id %j', (id) => {
    const proof: Proof = { of: 'openai-responses', kind: 'cipher', data: 'a.b%c', ...(id !== undefined && { id }) }

    expect(unsealedHere(sealed(proof, 'anthropic-messages'))).toEqual(proof)
  })

  it.each(['signalbox.openai-responses.cipher.%E0.x', 'signalbox.none', 'signalbox.'])(
    'may be anything where the caller wrote it, and no fault of ours: %s',
    (text) => {
      expect(() => unsealedHere(text)).not.toThrow()
    },
  )
})
