import { expect, it, vi } from 'vitest'
import {
  chunk,
  completion,
  completionBody,
  end,
  json,
  reply,
  reset,
  stream,
  streamEvents,
  streamHead,
} from '@signalbox/testkit'
import { chat, send } from './support/caller.ts'
import { describeMounts } from './support/mounts.ts'
import { eventually, routerFor, routerOver, upstreamThat } from './support/routers.ts'

const price = { input: 0.001, output: 0.01 }
const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }
const answer = completion({ content: 'the answer', usage })

/** A logger that keeps what it is told. */
const recorder = () => ({
  debug: vi.fn<() => void>(),
  info: vi.fn<(fields: { readonly answer?: string }, message: string) => void>(),
  warn: vi.fn<() => void>(),
  error: vi.fn<() => void>(),
})

describeMounts('GET costs', (mount) => {
  it('is a report for those whom the host lets see it, and not there by default', async () => {
    const router = routerOver([await upstreamThat(answer)], { model: { price }, ledger: 'memory' })
    const identify = (req: { headers: object }) => ({ user: String((req.headers as { 'x-user'?: string })['x-user']) })
    const open = await mount.serve(router, { identify, authorise: (req) => req.headers['x-admin'] === 'yes' })
    for (const user of ['ada', 'ada', 'bob']) await send(open, { body: chat(), headers: { 'x-user': user } })
    const headers = { 'x-admin': 'yes' }
    const ask = (query: string) => send(open, { method: 'GET', path: `/costs${query}`, headers })

    const byUser = await ask('?by=user')
    expect(byUser.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    expect(byUser.json()).toMatchObject({
      by: 'user',
      rows: [
        { key: 'ada', calls: 2, costUsd: '0.0000006' },
        { key: 'bob', calls: 1, costUsd: '0.0000003' },
      ],
      total: { calls: 3, costUsd: '0.0000009' },
    })
    expect((await ask('?user=ada&to=2999-01-01')).json()).toMatchObject({ by: 'model', total: { calls: 2 } })
    expect((await ask('?from=2999-01-01&to=2999-02-01')).json()).toMatchObject({ rows: [] })
    for (const time of ['2026-01-02T03:04Z', '2026-01-02T05:04:00%2B02:00'])
      expect((await ask(`?from=${time}`)).json()).toMatchObject({ from: '2026-01-02T03:04:00.000Z' })
    for (const wrong of [
      '?by=hour',
      '?users=ada',
      '?user=',
      '?from=soon',
      '?from=2026-02-30',
      '?to=-1',
      '?to=in%205',
      '?from=2026-01-02T03:04',
    ])
      expect((await ask(wrong)).json()).toMatchObject({
        error: { code: 'invalid_body', param: wrong.slice(1).split('=')[0] },
      })

    expect((await send(open, { method: 'GET', path: '/costs' })).status).toBe(403)
    const closed = await mount.serve(router)
    expect([404, 418]).toContain((await send(closed, { method: 'GET', path: '/costs', headers })).status)
  })

  it('counts an answer that broke off as no success, by caller as by model', async () => {
    const [role, first] = streamEvents({ content: ['He', 'llo'], usage })
    const broken = await upstreamThat([streamHead(), chunk(role!), chunk(first!), reset()])
    const router = routerOver([broken], { model: { price }, ledger: 'memory', retry: false })
    const mounted = await mount.serve(router, { identify: () => ({ user: 'ada' }) })
    await send(mounted, { body: chat({ stream: true }) })
    await eventually(() => [...router.ledger!.calls()].length > 0)
    expect([...router.ledger!.calls()]).toMatchObject([{ outcome: 'stream_interrupted', model: 'first' }])
    for (const by of ['user', 'model'] as const)
      expect(router.ledger!.report({ by }).total).toMatchObject({ calls: 1, attempts: 1, successRate: 0 })
  })

  it('is 404 where no ledger is kept', async () => {
    const mounted = await mount.serve(routerOver([await upstreamThat(answer)]), { authorise: () => true })
    expect((await send(mounted, { method: 'GET', path: '/costs' })).status).toBe(404)
  })
})

describeMounts('the cost of a call', (mount) => {
  it('stands in a header where that is asked for: of all its attempts, and never of what nobody knows', async () => {
    const failed = await upstreamThat(json({ error: { message: 'x', type: 'server_error' }, usage }, { status: 500 }))
    const ask = async (options: object, body: object = {}) => {
      const router = routerOver([failed, await upstreamThat(answer)], { model: { price }, retry: false, ...options })
      return (await send(await mount.serve(router), { body: chat(body) })).headers['x-signalbox-cost']
    }
    expect(await ask({})).toBeUndefined()
    expect(await ask({ costHeader: true })).toBe('0.0000006')
    expect(await ask({ costHeader: true, model: {} })).toBeUndefined()
  })

  it('is in no header of a stream: nobody knows it yet', async () => {
    const router = routerOver([await upstreamThat(stream(streamEvents({ content: ['a'], usage })))], {
      model: { price },
      costHeader: true,
    })
    const { status, headers } = await send(await mount.serve(router), { body: chat({ stream: true }) })
    expect(status).toBe(200)
    expect(headers['x-signalbox-cost']).toBeUndefined()
  })

  it('and all else that counts stands in one log line, and no prompt or answer', async () => {
    const log = recorder()
    const router = routerOver([await upstreamThat(answer)], { model: { price }, logger: log })
    await send(await mount.serve(router, { identify: () => ({ user: 'ada', team: 't', tags: ['x'] }) }), {
      body: chat(),
    })
    await eventually(() => log.info.mock.calls.length > 0)
    expect(log.info.mock.calls).toEqual([
      [
        expect.objectContaining({
          id: expect.any(String),
          callKey: expect.any(String),
          usage: expect.objectContaining({ inputTokens: 100, outputTokens: 20 }),
          route: 'auto',
          model: 'first',
          outcome: 'ok',
          attempts: 1,
          failovers: 0,
          costUsd: '0.0000003',
          durationMs: expect.any(Number),
          firstTokenMs: expect.any(Number),
          user: 'ada',
          team: 't',
          tags: ['x'],
        }),
        'call answered',
      ],
    ])
    const line = JSON.stringify(log.info.mock.calls)
    for (const word of ['Say something', 'the answer']) expect(line).not.toContain(word)
  })

  it('stands in the log line of a call that failed too, with the tokens that are billed', async () => {
    const log = recorder()
    const failed = await upstreamThat(json({ error: { message: 'x', type: 'server_error' }, usage }, { status: 500 }))
    const router = routerOver([failed], { model: { price }, retry: false, logger: log })
    await send(await mount.serve(router), { body: chat() })
    const billed = { outcome: 'upstream_error', costUsd: '0.0000003', usage: { inputTokens: 100, outputTokens: 20 } }
    await eventually(() => log.info.mock.calls.length > 0)
    expect(log.info.mock.calls).toMatchObject([[{ ...billed, attempts: 1 }, 'call failed']])
  })

  it.each([
    ['expressions', ['s[ao]mething', 'the (?=answer)']],
    [
      'a function',
      (text: string) => text.replaceAll('something', '[redacted]').replaceAll('the answer', '[redacted]answer'),
    ],
  ] as const)('comes with its prompt and answer where that is asked for, redacted by %s', async (_how, redact) => {
    const log = recorder()
    for (const body of [{}, { stream: true }]) {
      const script = 'stream' in body ? stream(streamEvents({ content: ['the answer'], usage })) : answer
      const router = routerOver([await upstreamThat(script)], { logContent: { redact }, logger: log })
      log.info.mockClear()
      await send(await mount.serve(router), { body: chat(body) })
      await eventually(() => log.info.mock.calls.length > 0)
      expect(log.info.mock.calls[0]![0]).toMatchObject({
        prompt: 'Say [redacted].',
        answer: expect.stringContaining('[redacted]answer'),
      })
    }
  })

  it.each([
    { of: 'a plain answer, behind an escape', body: {}, script: completion({ content: 'Here:\nsk-abc123' }) },
    {
      of: 'a stream, in pieces',
      body: { stream: true },
      script: stream(streamEvents({ content: ['Here:\n', 's', 'k-ab', 'c123', '.'] })),
    },
    {
      of: 'a stream that broke off, in pieces',
      body: { stream: true },
      script: [
        streamHead(),
        ...streamEvents({ content: ['Here:\n', 'sk', '-abc123', '.'] })
          .slice(0, 4)
          .map(chunk),
        end(),
      ],
    },
  ])('holds no secret that an expression finds in $of', async ({ body, script }) => {
    const log = recorder()
    const router = routerOver([await upstreamThat(script)], { logContent: { redact: ['\\bsk-\\w+'] }, logger: log })
    await send(await mount.serve(router), { body: chat(body) })
    await eventually(() => log.info.mock.calls.length > 0)
    const { answer: logged } = log.info.mock.calls[0]![0]
    expect(logged).toContain('Here:')
    expect(logged).toContain('[redacted]')
    expect(logged).not.toMatch(/abc/)
  })

  it('has every choice of a stream with several', async () => {
    const log = recorder()
    const said = (index: number, content: string) =>
      `data: ${JSON.stringify({ choices: [{ index, delta: { content } }] })}\n\n`
    const events = [said(0, 'one sk-'), said(1, 'two sk-a'), said(0, 'abc'), said(1, 'bc'), 'data: [DONE]\n\n']
    const router = routerOver([await upstreamThat(stream(events))], {
      logContent: { redact: ['\\bsk-\\w+'] },
      logger: log,
    })
    await send(await mount.serve(router), { body: chat({ stream: true, n: 2 }) })
    await eventually(() => log.info.mock.calls.length > 0)
    expect(log.info.mock.calls[0]![0].answer).toBe('one [redacted]\ntwo [redacted]')
  })

  it('keeps the digits of a long number', async () => {
    const log = recorder()
    const body = JSON.stringify(completionBody({ content: 'x' })).replace('{', '{"trace":12345678901234567890,')
    const upstream = await upstreamThat(reply({ headers: { 'content-type': 'application/json' }, body }))
    const router = routerOver([upstream], { logContent: { redact: [] }, logger: log })
    await send(await mount.serve(router), { body: chat() })
    await eventually(() => log.info.mock.calls.length > 0)
    expect(log.info.mock.calls[0]![0].answer).toContain('12345678901234567890')
  })

  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  it.each([
    {
      what: 'a request',
      path: '/messages',
      body: `{"model":"auto","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"x":${deep}}}]}]}`,
      script: json({
        id: 'm',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content: [{ type: 'text', text: 'hi' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 1, output_tokens: 1 },
      }),
    },
    {
      what: 'a stream that broke off',
      path: '/chat/completions',
      body: chat({ stream: true }),
      script: [
        streamHead(),
        ...streamEvents({ content: ['the answer'] })
          .slice(0, 2)
          .map(chunk),
        chunk(`data: {"choices":[],"deep":${deep}}\n\n`),
        end(),
      ],
    },
  ])('is written for $what that is too deep to be read', async ({ path, body, script }) => {
    const log = recorder()
    const { baseUrl } = await upstreamThat(script)
    const provider = path === '/messages' ? 'anthropic' : 'openai-compatible'
    const models = { auto: { provider, baseUrl, apiKey: 'k', model: 'm' } as const }
    const router = routerFor({ models, logContent: { redact: [] }, logger: log })
    expect((await send(await mount.serve(router), { path, body })).status).toBe(200)
    await eventually(() => log.info.mock.calls.length > 0)
    expect(Object.values(log.info.mock.calls[0]![0])).toContain('[not logged: it cannot be read]')
  })

  it('logs nothing of what its redactor throws at', async () => {
    const log = recorder()
    const redact = () => {
      throw new Error('cannot')
    }
    const router = routerOver([await upstreamThat(answer)], { logContent: { redact }, logger: log })
    expect((await send(await mount.serve(router), { body: chat() })).status).toBe(200)
    await eventually(() => log.info.mock.calls.length > 0)
    const none = '[not logged: the redactor failed]'
    expect(log.info.mock.calls[0]![0]).toMatchObject({ prompt: none, answer: none })
  })
})
