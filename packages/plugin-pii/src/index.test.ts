import type { Plugin } from '@signalbox/core'
import { pluginContract } from '@signalbox/testkit/plugin'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import pii, { type Detector } from './index.ts'
import { type Answer, type Json, ask } from './testing/ask.ts'

pluginContract(pii)
describe('with something to take out', () => {
  pluginContract(pii, {
    prompt: 'Write to ada@example.com, please.',
    answer: {
      said: 'I wrote to [EMAIL_1] and only to [EMAIL_1] today.',
      read: 'I wrote to ada@example.com and only to ada@example.com today.',
    },
  })
})

/** Asks this; gives what the model was sent, and what the caller reads. */
const askWith = async (content: unknown, answer: Answer = {}, plugin?: Plugin) => {
  const { sent, ...rest } = await ask({ messages: [{ role: 'user', content }] }, answer, plugin)
  return { sent: sent.messages[0].content, ...rest }
}
const says = (content: string) => ({ choices: [{ message: { content } }] })

const finish = `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`

describe('what goes to a provider', () => {
  it.each([
    ['mail ada.lovelace+x@mail.example.co.uk now', 'mail [EMAIL_1] now'],
    ['card 4111 1111 1111 1111 and 4111-1111-1111-1112', 'card [CARD_1] and 4111-1111-1111-1112'],
    ['IBAN DE89 3704 0044 0532 0130 00 here', 'IBAN [IBAN_1] here'],
    ['call +49 (30) 1234-5678 or 030 123456789', 'call [PHONE_1] or [PHONE_2]'],
    ['from 192.168.10.254 and 999.1.1.1', 'from [IP_1] and 999.1.1.1'],
    ['on 2026-11-21 there were 1234567 of 12, 13 and 14', 'on 2026-11-21 there were 1234567 of 12, 13 and 14'],
    ['a@example.com, b@example.com, a@example.com', '[EMAIL_1], [EMAIL_2], [EMAIL_1]'],
    ['mail Jürgen.Müller@bücher.de, ok', 'mail [EMAIL_1], ok'],
    ["to o'brien@example.com or 'ada@example.com'", "to [EMAIL_1] or '[EMAIL_2]'"],
    ['to ada@example.xn--p1ai.', 'to [EMAIL_1].'],
    ['card 4111 1111 1111 1111 12/27 123', 'card [CARD_1] 12/27 123'],
    ['order 123 456 4111 1111 1111 1111', 'order 123 456 [CARD_1]'],
    ['card 4111\u00a01111\u00a01111\u00a01111', 'card [CARD_1]'],
    ['AT61 1904 3002 3457 3201 THIS IS MINE', '[IBAN_1] THIS IS MINE'],
    ['at61 1904 3002 3457 3201 is mine', '[IBAN_1] is mine'],
    ['call +33 1 23 45 67 89, +358 9 1234567', 'call [PHONE_1], [PHONE_2]'],
    ['call +33\u00a01\u00a023\u00a045\u00a067\u00a089', 'call [PHONE_1]'],
    ['call 1-800-555-0199 or 030/12345678', 'call [PHONE_1] or [PHONE_2]'],
    ['on 2026-11-21 030 1234567 rang', 'on 2026-11-21 [PHONE_1] rang'],
    ['21.11.2026, 2026-11-21 14:30, 2019-2023', '21.11.2026, 2026-11-21 14:30, 2019-2023'],
    ['from 2001:db8::8a2e:370:7334 at 12:30:45', 'from [IP_1] at 12:30:45'],
    ['Block 10.0.0.1. Or ip:10.0.0.2, addr:10.0.0.3:443?', 'Block [IP_1]. Or ip:[IP_2], addr:[IP_3]:443?'],
    ['from ::ffff:192.168.10.254 and 64:ff9b::192.0.2.33.', 'from [IP_1] and [IP_2].'],
    ['ip:2001:db8::1, std::a1::b2, 12:30:45.123, 1.2.3.4.5', 'ip:[IP_1], std::a1::b2, 12:30:45.123, 1.2.3.4.5'],
    ['std::vector, a::b, ::, 01:02:03', 'std::vector, a::b, ::, 01:02:03'],
    ['at 52.5200066, 13.404954 for 1700000000.1234 s', 'at 52.5200066, 13.404954 for 1700000000.1234 s'],
    ['call 49.301.234567 or 030.1234567', 'call [PHONE_1] or [PHONE_2]'],
    ['👩‍💻ada@example.com👍', '👩‍💻[EMAIL_1]👍'],
  ])('has pseudonyms: %s', async (prompt, redacted) => {
    const { sent, bytes } = await askWith(prompt)
    expect(sent).toBe(redacted)
    expect(bytes).toContain(JSON.stringify(redacted).slice(1, -1))
  })

  it('has them in every part that is text, and in nothing else', async () => {
    const url = 'https://example.com/ada@example.com.png'
    const { sent } = await askWith([
      { type: 'text', text: 'a@example.com' },
      { type: 'image_url', image_url: { url } },
    ])
    expect(sent).toEqual([
      { type: 'text', text: '[EMAIL_1]' },
      { type: 'image_url', image_url: { url } },
    ])
  })

  it.each([
    [String.raw`{"text":"Ada\nada@example.com\tbob@example.com"}`, String.raw`{"text":"Ada\n[EMAIL_1]\t[EMAIL_2]"}`],
    [String.raw`{"text":"Ada\n030 1234567\r\n+49 30 1234567"}`, String.raw`{"text":"Ada\n[PHONE_1]\r\n[PHONE_2]"}`],
    [
      String.raw`{"a":"\tDE89 3704 0044 0532 0130 00\t10.0.0.1\t2001:db8::7\n"}`,
      String.raw`{"a":"\t[IBAN_1]\t[IP_1]\t[IP_2]\n"}`,
    ],
    [String.raw`{"a":"m\u00fcller@b\u00fccher.de, müller@bücher.de"}`, '{"a":"[EMAIL_1], [EMAIL_1]"}'],
    [
      String.raw`{"a":"\u002B49 30 1234567","b":"DE89\u00a03704\u00A00044\u00a00532\u00a00130\u00a000"}`,
      '{"a":"[PHONE_1]","b":"[IBAN_1]"}',
    ],
    [
      String.raw`{"json":"{\"text\":\"Ada\\nada@example.com\"}"}`,
      String.raw`{"json":"{\"text\":\"Ada\\n[EMAIL_1]\"}"}`,
    ],
    [String.raw`\u0061da@example.com \n`, String.raw`[EMAIL_1] \n`],
  ])('has them in what is JSON itself: %s', async (given, redacted) => {
    const call = { id: 't', type: 'function', function: { name: 'f', arguments: given } }
    const messages = [
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 't', content: given },
    ]
    const { sent } = await ask({ messages }, {})
    expect(sent.messages[0].tool_calls[0].function.arguments).toBe(redacted)
    expect(sent.messages[1].content).toBe(redacted)
  })

  it('has them as texts where tools are given numbers, and JSON stays JSON', async () => {
    const given = {
      card: 4111111111111111,
      of: [-4111111111111111, 'ada@example.com 4111111111111111'],
      lat: 52.5200066,
    }
    const redacted = { card: '[CARD_1]', of: ['-[CARD_1]', '[EMAIL_1] [CARD_1]'], lat: 52.5200066 }
    const called = { id: 't', type: 'function', function: { name: 'f', arguments: JSON.stringify(given) } }
    const used = { type: 'tool_use', id: 't', name: 'f', input: given }
    const { sent } = await ask({ messages: [{ role: 'assistant', content: [used], tool_calls: [called] }] }, {})
    const [{ content, tool_calls: calls }] = sent.messages
    expect(content[0].input).toEqual(redacted)
    expect(JSON.parse(calls[0].function.arguments)).toEqual(redacted)
  })

  it('has them in arguments that were put together of values that it put back', async () => {
    const prompt = 'Send DE89 3704 0044 0532 0130 00 and 10.0.0.1 to ada@example.com'
    const question = { role: 'user', content: prompt }
    const given = String.raw`{"body":"Hello,\n[IBAN_1]\n[IP_1]\n\nfrom\t[EMAIL_1]"}`
    const called = { id: 't', type: 'function', function: { name: 'f', arguments: given } }
    const { text } = await ask({ messages: [question] }, { choices: [{ index: 0, message: { tool_calls: [called] } }] })
    const { message } = JSON.parse(text).choices[0]
    expect(JSON.parse(message.tool_calls[0].function.arguments).body).toContain('\nDE89 3704')
    const { sent } = await ask({ messages: [question, { role: 'assistant', ...message }] }, {})
    expect(sent.messages[1].tool_calls).toEqual([called])
  })

  it('has them in a document that is text, and not in one that is data', async () => {
    const document = (type: string) => [{ type: 'document', source: { type, data: 'mail ada@example.com' } }]
    expect((await askWith(document('text'))).bytes).toContain('mail [EMAIL_1]')
    expect((await askWith(document('base64'))).bytes).toContain('mail ada@example.com')
  })

  it('has them in what says who asks, and in the names of fields that a model wrote', async () => {
    const messages = [
      { role: 'user', name: 'ada@example.com', content: 'a@example.com' },
      { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: { 'ada@example.com': ['x'] } }] },
    ]
    const fields = { user: 'ada@example.com', safety_identifier: 'b@example.com', metadata: { by: 'b@example.com' } }
    const { sent } = await ask({ messages, ...fields }, {})
    expect(sent).toMatchObject({ user: '[EMAIL_1]', safety_identifier: '[EMAIL_3]', metadata: { by: '[EMAIL_3]' } })
    expect(sent.messages[0]).toEqual({ role: 'user', name: '[EMAIL_1]', content: '[EMAIL_2]' })
    expect(sent.messages[1].content[0].input).toEqual({ '[EMAIL_1]': ['x'] })
  })

  it('is not touched where there is nothing to take out', async () => {
    expect((await askWith('hello [EMAIL_1]', says('I see [EMAIL_1]'))).text).toContain('I see [EMAIL_1]')
  })

  it('takes time in proportion to what was written', async () => {
    const timeOf = async (piece: string, length: number) => {
      const before = process.threadCpuUsage()
      await askWith(piece.repeat(length / piece.length))
      return process.threadCpuUsage(before).user / 1_000
    }
    await timeOf('a', 50_000)
    for (const piece of ['\\', 'a', '1', '1 ', 'a.', 'AB12', '+1', '1.']) {
      const smallMs = Math.max(5, Math.min(await timeOf(piece, 5_000), await timeOf(piece, 5_000)))
      expect(Math.min(await timeOf(piece, 50_000), await timeOf(piece, 50_000))).toBeLessThan(smallMs * 50)
    }
  })
})

describe('what comes back', () => {
  it('has numbers that are too long for a double as the model wrote them', async () => {
    const body = { content: [{ type: 'tool_use', input: { to: '[EMAIL_1]', id: 0 } }] }
    const bytes = Buffer.from(JSON.stringify(body).replace(':0', ':12345678901234567890'))
    const messages = [{ role: 'user', content: 'ada@example.com' }]
    const stream = [Buffer.from('data: '), bytes, Buffer.from('\n\n')]
    const { text } = await ask({ dialect: 'anthropic-messages', max_tokens: 9, stream: true, messages }, stream)
    expect(text).toContain('{"to":"ada@example.com","id":12345678901234567890}')
  })

  it('has the values again, and no pseudonym that its caller wrote is taken for one', async () => {
    const { sent, text } = await askWith('[EMAIL_1] is not ada@example.com', says('[EMAIL_1] [EMAIL_2]'))
    expect(sent).toContain('[EMAIL_1] is not [EMAIL_2]')
    expect(JSON.parse(text).choices[0].message.content).toBe('[EMAIL_1] ada@example.com')
  })

  it('is what was written, to the letter, where a model says it again', async () => {
    const found = fc.constantFrom('ada@example.com', '4111 1111 1111 1111', '+49 30 1234567', '10.0.0.1', '2001:db8::7')
    const other = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.constantFrom(' ', '[EMAIL_1]', '[', ']', '1', ' 12/27', '[PHONE_', '\\', '"', '😀'),
    )
    const repeat = (sent: Json) => says(sent.messages[0].content)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(found, other), { maxLength: 12 }), async (pieces) => {
        const prompt = pieces.join('')
        const { sent, text } = await ask({ messages: [{ role: 'user', content: prompt }] }, repeat)
        expect(JSON.parse(text).choices[0].message.content).toBe(prompt)
        expect(sent.messages[0].content).not.toMatch(/ada@example\.com(?!\p{L})/u)
      }),
      { numRuns: 300 },
    )
  })

  it('has them for each choice by itself', async () => {
    const of = (index: number, content: string) =>
      `data: ${JSON.stringify({ choices: [{ index, delta: { content } }] })}\n\n`
    const events = [of(0, 'zero [EMA'), of(1, 'one [EM'), of(0, 'IL_1]'), of(1, 'AIL_1]!'), finish]
    const { text } = await askWith(
      'a@example.com',
      events.map((event) => Buffer.from(event)),
    )
    const choices = text
      .split('\n\n')
      .filter((one) => one.startsWith('data: {'))
      .map((one) => JSON.parse(one.slice(6)).choices[0])
    const read = (index: number) =>
      choices
        .filter((choice) => choice.index === index)
        .map(({ delta }) => delta.content ?? '')
        .join('')
    expect(read(1)).toBe('one a@example.com!')
    expect(read(0)).toBe('zero a@example.com')
  })

  it('has them not, where it is told so', async () => {
    expect((await askWith('a@example.com', says('[EMAIL_1]'), pii({ restores: false }))).text).toContain('[EMAIL_1]')
  })

  it('takes further detectors, and writes what they found as JSON has it', async () => {
    const further = [{ label: 'NAME', pattern: /"Ada"\s/g }]
    const { sent, text } = await askWith('the "Ada" herself', says('[NAME_1]'), pii({ kinds: [], further }))
    expect(sent).toContain('the [NAME_1]herself')
    expect(JSON.parse(text).choices[0].message.content).toBe('"Ada" ')
  })

  it('looks for the more certain kinds first, in whatever order they are listed', async () => {
    const { sent } = await askWith(
      'to NO93 8601 1117 947 from 192.168.10.254',
      {},
      pii({ kinds: ['phone', 'ip', 'iban'] }),
    )
    expect(sent).toBe('to [IBAN_1] from [IP_1]')
  })

  it('takes what several detectors find once: what was found first stays found', async () => {
    const further = [
      { label: 'NAME', pattern: /Ada/g },
      { label: 'NUMBER', pattern: /\d+/ },
      { label: 'WORD', pattern: /NAME|Lovelace|x*/y },
    ]
    const { sent, text } = await askWith('Ada Lovelace, 7', says('[NUMBER_1] [WORD_1] [NAME_1]'), pii({ further }))
    expect(sent).toBe('[NAME_1] [WORD_1], [NUMBER_1]')
    expect(JSON.parse(text).choices[0].message.content).toBe('7 Lovelace Ada')
  })

  it('has them in the names of fields that a tool is given', async () => {
    const input = { '[EMAIL_1]': 'reads', '[EMAIL_2]': 'writes' }
    const body = {
      dialect: 'anthropic-messages',
      messages: [{ role: 'user', content: 'a@x.org and b@x.org' }],
    } as const
    const { text } = await ask(
      { max_tokens: 9, ...body },
      { content: [{ type: 'tool_use', id: 't', name: 'f', input }] },
    )
    expect(JSON.parse(text).content[0].input).toEqual({ 'a@x.org': 'reads', 'b@x.org': 'writes' })
  })

  it.each([
    [{ label: 'A B', pattern: /x/ }, 'options.further[0].label'],
    [{ pattern: /x/ }, 'options.further[0].label'],
    [{ label: 'A', pattern: 'x' }, 'options.further[0].pattern'],
    [{ label: 'A', pattern: /x/, isOne: true }, 'options.further[0].isOne'],
  ])('refuses what is no detector: %j', (detector, path) => {
    expect(() => pii({ further: [detector as unknown as Detector] })).toThrow(path)
  })

  it('refuses a kind that there is not', () => {
    expect(() => pii({ kinds: ['emial' as 'email'] })).toThrow('The plugin "pii" has a fault:\n  options.kinds[0]')
  })
})
