import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redact, redactBytes, secretsOf } from './secrets.ts'

const key = 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789'
const mask = '[redacted]'

/** Every part of a secret that gives it away. */
const windows = (secret: string) =>
  Array.from({ length: Math.max(0, secret.length - 11) }, (_, at) => secret.slice(at, at + 12))

const letter = fc.constantFrom(...'abcABC019-_'.split(''))
const secret = fc.string({ unit: letter, minLength: 12, maxLength: 60 })

describe('redact', () => {
  it('takes a secret out whole, wherever it stands and however often', () => {
    expect(redact(key, [key])).toBe(mask)
    expect(redact(`${key} and ${key}`, [key])).toBe(`${mask} and ${mask}`)
    expect(redact(`Incorrect key: ${key}.`, [key])).toBe(`Incorrect key: ${mask}.`)
  })

  it('takes out any part of 12 characters and more, and lets shorter ones stand', () => {
    expect(redact(`starts ${key.slice(0, 12)}...`, [key])).toBe(`starts ${mask}...`)
    expect(redact(`ends ...${key.slice(-15)}`, [key])).toBe(`ends ...${mask}`)
    expect(redact(`starts ${key.slice(0, 11)}...`, [key])).toBe(`starts ${key.slice(0, 11)}...`)
  })

  it('takes out a part of 12 characters by itself, wherever it begins', () => {
    for (const part of windows(key))
      for (let before = 0; before < 13; before++)
        expect(redact('!'.repeat(before) + part, [key])).toBe('!'.repeat(before) + mask)
  })

  it('takes a short secret out whole', () => {
    expect(redact('the word is hunter2, hunter2!', ['hunter2'])).toBe(`the word is ${mask}, ${mask}!`)
    expect(redact('the word is hunter', ['hunter2'])).toBe('the word is hunter')
    expect(redact('Bearer a.b-c_d! (a.b-c_d)', ['a.b-c_d'])).toBe(`Bearer ${mask}! (${mask})`)
  })

  it('leaves words whole in which a short secret stands by chance', () => {
    expect(redact('128000 tokens, key k', ['k'])).toBe(`128000 tokens, key ${mask}`)
  })

  it('takes out every one of several secrets, and none for an empty one', () => {
    const other = 'gsk_zyxwvutsrqponmlkjihg'
    expect(redact(`${key} ${other}`, [key, '', other])).toBe(`${mask} ${mask}`)
  })

  it('leaves no part of 12 characters of the secret, whatever stands around it', () => {
    fc.assert(
      fc.property(
        secret,
        fc.array(
          fc.oneof(
            fc.string({ unit: letter, maxLength: 20 }),
            fc.nat().map((cut) => ({ cut })),
          ),
          { maxLength: 8 },
        ),
        (hidden, pieces) => {
          const text = pieces
            .map((piece) =>
              typeof piece === 'string'
                ? piece
                : hidden.slice(piece.cut % hidden.length, (piece.cut % hidden.length) + (piece.cut % 31)),
            )
            .join('')
          const clean = redact(`${text}${hidden}${text}`, [hidden])
          for (const part of windows(hidden)) expect(clean).not.toContain(part)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('leaves a text as it is that has no part of the secret in it', () => {
    fc.assert(
      fc.property(
        secret,
        fc.string({ unit: fc.constantFrom('x', 'y', 'z', ' ', '"', '世', '😀'), maxLength: 200 }),
        (hidden, text) => {
          expect(redact(text, [hidden])).toBe(text)
        },
      ),
    )
  })

  it('leaves everything around the secret as it is', () => {
    const around = fc.string({ unit: fc.constantFrom('x', 'y', ' ', '世', '😀') })
    fc.assert(
      fc.property(around, around, secret, (before, after, hidden) => {
        expect(redact(`${before}${hidden}${after}`, [hidden])).toBe(`${before}${mask}${after}`)
      }),
    )
  })

  it('takes time in proportion to the text', () => {
    const near = key.slice(0, 11)
    const timeOf = (repeats: number) => {
      const text = near.repeat(repeats)
      const before = process.threadCpuUsage()
      redact(text, [key])
      return process.threadCpuUsage(before).user / 1_000
    }
    timeOf(10_000)
    const smallMs = Math.max(5, Math.min(timeOf(10_000), timeOf(10_000)))
    expect(Math.min(timeOf(100_000), timeOf(100_000))).toBeLessThan(smallMs * 50)
  })
})

describe('redactBytes', () => {
  it('gives the very bytes back where nothing is to be hidden', () => {
    const bytes = Buffer.from([0xff, 0xfe, 0x41])
    expect(redactBytes(bytes, [])).toBe(bytes)
    expect(redactBytes(bytes, [key])).toBe(bytes)
  })

  it('takes secrets out of bytes, also of a part of a larger buffer', () => {
    const whole = Buffer.from(`padding ${key} padding`)
    const part = new Uint8Array(whole.buffer, whole.byteOffset + 8, key.length)
    expect(Buffer.from(redactBytes(part, [key])).toString()).toBe(mask)
  })
})

describe('secretsOf', () => {
  it('takes long values for secrets, with and without Bearer, and short ones where their name says so', () => {
    expect(secretsOf({ authorization: `Bearer ${key}`, 'x-api-key': 'short', cookie: 'a=1' })).toEqual([
      `Bearer ${key}`,
      key,
      'short',
      'short',
      'a=1',
      'a=1',
    ])
    expect(secretsOf({ 'x-gateway': key })).toContain(key)
    expect(secretsOf({ 'x-region': 'eu', 'x-flag': '1', accept: '*/*' })).toEqual([])
  })
})
