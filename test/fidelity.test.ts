import { expect, it } from 'vitest'
import { chunk, chunkEach, cut, cutsInside, lastChunk, reply, streamHead, writeEach } from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { describeMounts } from './support/mounts.ts'
import { routerOver, upstreamThat } from './support/routers.ts'

const json = { 'content-type': 'application/json' }

/** A request that any parsing and writing again would change. */
const odd = `{ "model" : "auto",
  "messages":[{"role":"user","content":"Chào \\u0041 é 🏯 \\ud83c\\udfef \\/","content":"twice"}],
  "seed":12345678901234567890123,"temperature":1.0,"top_p":1E400,"x":-0.0,
  "unknown":{"b":1,"a":2,"a":3},"__proto__":{"polluted":true},"tools":[],"stream":false }`

const oddAnswer = `{"id":"1" , "object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",
 "content":"Hà Nội \\u0041 🏯 \\ud83d","x":null},"logprobs":{"content":[{"token":"H","logprob":-0.10,"bytes":[72]}]},
 "finish_reason":"stop"}],"created":12345678901234567890,"n":1.0,"n":2,"extra":{"z":1,"a":[1E400]},
 "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n`

const oddStream = [
  ': a comment\n\n',
  'retry: 3000\nid: 7\ndata:{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\r\n\r\n',
  'event: message\ndata: {"choices":[{"index":0,"delta":{"content":"Hà Nội 🏯"},"logprobs":{"content":[{"logprob":-1.50}]},"finish_reason":null}],\ndata: "seq":12345678901234567890}\n\n',
  'data: {"choices":[{"index":0,"delta":{"content":"é\\u0041"},"finish_reason":null}],"usage":null,"obfuscation":"aBc"}\n\n',
  'data: {"x_unknown_event":{"a":1.0}}\n\n',
  'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","native_finish_reason":"STOP"}]}\r\r',
  'data: [DONE]\n\n',
].join('')

const cutInside = (...needles: readonly string[]) =>
  cut(
    oddStream,
    needles.flatMap((needle) => cutsInside(oddStream, needle)).toSorted((a, b) => a - b),
  )

describeMounts('byte fidelity', (mount) => {
  it('sends a request on as it came, but for the name of the model', async () => {
    const upstream = await upstreamThat(reply({ headers: json, body: oddAnswer }))

    await send(await mount.serve(routerOver([upstream])), { body: odd })

    expect(upstream.requests[0]!.body.toString()).toBe(odd.replace('"auto"', '"gpt-4.1"'))
  })

  it('sends a request on byte for byte when the provider has the same name for the model', async () => {
    const upstream = await upstreamThat(reply({ headers: json, body: oddAnswer }))

    await send(await mount.serve(routerOver([upstream], { model: { model: 'auto' } })), { body: odd })

    expect(upstream.requests[0]!.body.toString()).toBe(odd)
  })

  it('adds only stream_options to a stream', async () => {
    const upstream = await upstreamThat([streamHead(), chunk(oddStream), lastChunk()])
    const sent = odd.replace('"stream":false', '"stream":true')

    await send(await mount.serve(routerOver([upstream])), { body: sent })

    expect(upstream.requests[0]!.body.toString()).toBe(
      sent.replace('"auto"', '"gpt-4.1"').replace(/}$/, ',"stream_options":{"include_usage":true}}'),
    )
  })

  it('hands an answer on byte for byte', async () => {
    const upstream = await upstreamThat(reply({ headers: json, body: oddAnswer }))

    const answer = await send(await mount.serve(routerOver([upstream])), { body: odd })

    expect(answer.text).toBe(oddAnswer)
    expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(oddAnswer)))
  })

  it.each([
    { how: 'in one piece', pieces: [Buffer.from(oddStream)] },
    { how: 'byte by byte', pieces: cut(oddStream, { every: 1 }) },
    { how: 'cut inside of characters', pieces: cutInside('🏯', 'ộ') },
    { how: 'cut inside of line ends', pieces: cutInside('\r\n', '\n\n') },
  ])('hands a stream on byte for byte, $how', async ({ how, pieces }) => {
    const script = how === 'byte by byte' ? pieces.map(chunk) : chunkEach(pieces)
    const upstream = await upstreamThat([streamHead(), script, lastChunk()])

    const answer = await send(await mount.serve(routerOver([upstream])), { body: chat({ stream: true }) })

    expect(answer.text).toBe(oddStream)
  })

  it('hands bytes on that are no UTF-8', async () => {
    const start = 'data: {"choices":[{"index":0,"delta":{"content":"'
    const finish =
      '"},"finish_reason":null}]}\n\ndata: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    const bytes = Buffer.concat([Buffer.from(start), Buffer.from([0xff, 0xc3, 0x28, 0xe2, 0x82]), Buffer.from(finish)])
    const upstream = await upstreamThat([streamHead(), chunk(bytes), lastChunk()])

    const answer = await send(await mount.serve(routerOver([upstream])), { body: chat({ stream: true }) })

    expect(answer.body.equals(bytes)).toBe(true)
  })

  it('hands an answer on that comes in small pieces', async () => {
    const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(oddAnswer)}\r\n\r\n`
    const upstream = await upstreamThat(writeEach(cut(head + oddAnswer, { every: 97 })))

    const answer = await send(await mount.serve(routerOver([upstream])), { body: odd })

    expect(answer.text).toBe(oddAnswer)
  })
})

describeMounts('a request behind a body parser', (mount) => {
  it('reaches the provider with all its fields, and the answer comes back byte for byte', async () => {
    const upstream = await upstreamThat(reply({ headers: json, body: oddAnswer }))
    const body = chat({ temperature: 0.5, unknown: { deep: ['é', null] }, logprobs: true })
    const mounted = await mount.serve(routerOver([upstream]), { parserLimit: '1mb' })

    const answer = await send(mounted, { body })

    expect(upstream.requests[0]!.json()).toEqual({ ...body, model: 'gpt-4.1' })
    expect(answer.text).toBe(oddAnswer)
  })

  it('streams', async () => {
    const upstream = await upstreamThat([streamHead(), chunk(oddStream), lastChunk()])
    const mounted = await mount.serve(routerOver([upstream]), { parserLimit: '1mb' })

    const answer = await send(mounted, { body: chat({ stream: true }) })

    expect(upstream.requests[0]!.json()).toMatchObject({ stream: true, stream_options: { include_usage: true } })
    expect(answer.text).toBe(oddStream)
  })
})
