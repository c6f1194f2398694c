import { type Call, type Plugin, createRouter, plainReply, readBody, streamOf, streamReply } from '@signalbox/core'
import { pluginContract } from '@signalbox/testkit/plugin'
import { describe, expect, it } from 'vitest'
import pii from './index.ts'

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

/** Asks a model that answers by what it reads; gives what it read, and what its caller reads. */
async function ask(content: unknown, answer: (prompt: string) => string | readonly string[], plugin: Plugin = pii()) {
  let seen: Call | undefined
  const model: Plugin = {
    name: 'model',
    call: {
      stage: 'admit',
      async run(call) {
        seen = call
        const said = answer(JSON.stringify(call.request.body['messages']))
        const head = { status: 200, headers: {}, dialect: call.dialect, model: 'a' }
        return typeof said === 'string'
          ? plainReply({ ...head, body: Buffer.from(JSON.stringify({ choices: [{ message: { content: said } }] })) })
          : streamReply({ ...head, body: streamOf(said.map((event) => Buffer.from(event))) })
      },
    },
  }
  const router = createRouter({ models: { a: { provider: 'openai' } }, plugins: [model, plugin] })
  const reply = await router.handle({ body: { model: 'a', messages: [{ role: 'user', content }] } })
  const text = Buffer.from(await readBody(reply)).toString()
  await router.close()
  return {
    sent: JSON.stringify(seen!.request.body['messages']),
    bytes: Buffer.from(seen!.request.bytes).toString(),
    text,
  }
}

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
  ])('has pseudonyms: %s', async (prompt, redacted) => {
    const { sent, bytes } = await ask(prompt, () => 'ok')
    expect(JSON.parse(sent)[0].content).toBe(redacted)
    expect(bytes).toContain(JSON.stringify(redacted).slice(1, -1))
  })

  it('has them in every part that is text, and in nothing else', async () => {
    const url = 'https://example.com/ada@example.com.png'
    const { sent } = await ask(
      [
        { type: 'text', text: 'a@example.com' },
        { type: 'image_url', image_url: { url } },
      ],
      () => 'ok',
    )
    expect(JSON.parse(sent)[0].content).toEqual([
      { type: 'text', text: '[EMAIL_1]' },
      { type: 'image_url', image_url: { url } },
    ])
  })

  it('has them in a document that is text, and not in one that is data', async () => {
    const document = (type: string) => [{ type: 'document', source: { type, data: 'mail ada@example.com' } }]

    expect((await ask(document('text'), () => 'ok')).sent).toContain('mail [EMAIL_1]')
    expect((await ask(document('base64'), () => 'ok')).sent).toContain('mail ada@example.com')
  })

  it('is not touched where there is nothing to take out', async () => {
    expect((await ask('hello [EMAIL_1]', () => 'I see [EMAIL_1]')).text).toContain('I see [EMAIL_1]')
  })

  it('takes time in proportion to what was written', async () => {
    const began = performance.now()
    for (const piece of ['a', '1', '1 ', 'a.', 'AB12', '+1', '1.'])
      await ask(piece.repeat(200_000 / piece.length), () => 'ok')
    expect(performance.now() - began).toBeLessThan(10_000)
  })
})

describe('what comes back', () => {
  it('has the values again, and no pseudonym that its caller wrote is taken for one', async () => {
    const { sent, text } = await ask('[EMAIL_1] is not ada@example.com', () => '[EMAIL_1] [EMAIL_2]')
    expect(sent).toContain('[EMAIL_1] is not [EMAIL_2]')
    expect(JSON.parse(text).choices[0].message.content).toBe('[EMAIL_1] ada@example.com')
  })

  it('has them for each choice by itself', async () => {
    const of = (index: number, content: string) =>
      `data: ${JSON.stringify({ choices: [{ index, delta: { content } }] })}\n\n`
    const { text } = await ask('a@example.com', () => [
      of(0, 'zero [EMA'),
      of(1, 'one [EM'),
      of(0, 'IL_1]'),
      of(1, 'AIL_1]!'),
      finish,
    ])
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
    expect((await ask('a@example.com', () => '[EMAIL_1]', pii({ restores: false }))).text).toContain('[EMAIL_1]')
  })

  it('takes further detectors, and writes what they found as JSON has it', async () => {
    const further = [{ label: 'NAME', pattern: /"Ada"\s/g }]
    const { sent, text } = await ask('the "Ada" herself', () => '[NAME_1]', pii({ kinds: [], further }))
    expect(sent).toContain('the [NAME_1]herself')
    expect(JSON.parse(text).choices[0].message.content).toBe('"Ada" ')
  })

  it('refuses a kind that there is not', () => {
    expect(() => pii({ kinds: ['emial' as 'email'] })).toThrow('The plugin "pii" has a fault:\n  options.kinds[0]')
  })
})
