import { describe, expect, it } from 'vitest'
import { dialects } from './index.ts'
import { translateRequest } from './translate.ts'

const chat = dialects['openai-chat']
const parsed = (json: string) => chat.parse(Buffer.from(json))
const messages = '"messages":[{"role":"user","content":"hello"}]'

describe('a field whose name is written with escapes', () => {
  it('is read, whatever was read in its place before', () => {
    const before = parsed(`{"a_place":1,"model":"auto",${messages},"\\\\":1}`)
    const request = parsed(`{"a_place":1,"model":"auto",${messages},"\\u006e":9}`)

    expect(before.body).toHaveProperty('\\')
    expect(request.parameters.choices).toBe(9)
  })

  it('is read, also where some of its letters are not escaped', () => {
    const before = parsed(`{"of_messages":1,"model":"auto","mess\\\\u00":[]}`)
    const request = parsed(`{"of_messages":1,"model":"auto","mess\\u0061ges":[{"role":"user","content":"hello"}]}`)

    expect(before.messages).toEqual([])
    expect(request.text).toBe('hello')
  })

  it('is translated', () => {
    const target = { provider: 'anthropic', model: 'm', maxOutputTokens: undefined, reasoning: false }
    const to = dialects['anthropic-messages']
    const before = parsed(`{"odd":12345678901234567890,"model":"auto",${messages},"\\\\":1}`)
    const request = parsed(`{"odd":12345678901234567890,"model":"auto",${messages},"\\u006e":9}`)

    expect(translateRequest(before, chat, to, target).lost).toEqual(['odd', '\\'])
    expect(translateRequest(request, chat, to, target).lost).toEqual(['odd', 'n'])
  })

  it.each([
    ['\\\\u0061', '\\u0061'],
    ['\\\\\\u0061', '\\a'],
    ['\\n\\"\\u0022\\u00e9\\u000A', '\n""é\n'],
    ['\\u0030\\u0039\\u0041\\u005A\\u005f\\u0061\\u007a', '09AZ_az'],
    ['\\u002f\\u003a\\u0040\\u005b\\u005e\\u0060\\u007b', '/:@[^`{'],
  ])('and so are texts: %s', (written, text) => {
    expect(parsed(`{"model":"${written}\\u0061"}`).model).toBe(`${text}a`)
  })
})

it('refuses a body of more values than can be looked through at once, however short they are', () => {
  const listOf = (values: number) => `{"model":"auto","messages":[${'1,'.repeat(values - 2)}1]}`

  expect(parsed(listOf(500_000)).messages).toHaveLength(499_999)
  expect(() => parsed(listOf(500_001))).toThrow('The request body has more than 500000 values')
})
