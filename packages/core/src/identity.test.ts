import { createFakeClock } from '@signalbox/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readIdentity } from './identity.ts'
import { plainReply } from './reply.ts'
import { createRouter } from './router.ts'
import type { Identity } from './types.ts'

/** What a host hands over that is not held to our types. */
const handed = (identity: object) => identity as Identity

describe('an identity', () => {
  it('is a copy that nobody changes, and the host keeps what it handed over', () => {
    const identity = { key: 'k', tags: ['x'], routes: ['auto'], budgets: [{ limitUsd: 1, window: 'day' as const }] }
    const read = readIdentity({ ...identity, latencySensitive: true })
    expect(read).toStrictEqual({ ...identity, latencySensitive: true })
    for (const part of [read, read.tags, read.routes, read.budgets, read.budgets![0]])
      expect(part).toSatisfy(Object.isFrozen)
    for (const part of [identity, identity.tags, identity.routes, identity.budgets])
      expect(part).not.toSatisfy(Object.isFrozen)
  })

  it('may say of itself what it inherits, as an object of a class', () => {
    class Session {
      get user() {
        return 'u'
      }
    }
    expect(readIdentity(new Session())).toStrictEqual({ user: 'u' })
  })

  it('may have numbers for names, which stand for their digits, and null for nobody', () => {
    const identity = handed({ user: 42, team: 7n, key: null, tier: undefined, tags: [1, 'x', null], maxCostUsd: 2 })
    expect(readIdentity(identity)).toEqual({ user: '42', team: '7', tags: ['1', 'x'], maxCostUsd: 2 })
    expect(readIdentity(handed({ tags: null, routes: null, models: null, maxCostUsd: null }))).toEqual({})
  })

  it('may leave out by undefined what the host does not know, as may a call: strict types take it', async () => {
    const session: { readonly user?: { readonly id: string } } = {}
    const router = createRouter({ models: { a: { provider: 'openai', apiKey: 'x' } }, clock: createFakeClock() })
    onTestFinished(() => router.close())
    const identity: Identity = { user: session.user?.id, tags: undefined, routes: undefined, maxCostUsd: undefined }
    const unset = { dialect: undefined, signal: undefined, id: undefined, headers: undefined, timeoutMs: undefined }
    const { candidates } = await router.explain({ body: { model: 'a', messages: [] }, identity, ...unset })
    expect(candidates.map(({ name }) => name)).toEqual(['a'])
  })

  it.each([
    [{ user: {} }, 'identity.user: expected text, got object'],
    [{ key: true }, 'identity.key: expected text, got boolean'],
    [{ team: ['t'] }, 'identity.team: expected text, got a list'],
    [{ tags: 'x' }, 'identity.tags: expected a list of texts, got string'],
    [{ tags: [{}] }, 'identity.tags: expected text, got object'],
    [{ routes: 'auto' }, 'identity.routes: expected a list of texts, got string'],
    [{ models: new Set(['a']) }, 'identity.models: expected a list of texts, got object'],
    [{ maxCostUsd: '1' }, 'identity.maxCostUsd: expected a number of US dollars, got string'],
    [{ budgets: { limitUsd: 1 } }, 'identity.budgets: expected a list, got object'],
    ['ada' as unknown as object, 'identity: expected an object, got string'],
    [['ada'], 'identity: expected an object, got a list'],
  ])('is refused as %o, and the host is told why', (identity, why) => {
    const error = { code: 'internal_error', cause: expect.objectContaining({ message: why }) }
    expect(() => readIdentity(handed(identity))).toThrow(expect.objectContaining(error))
  })

  it('that is none is no caller at all, and sees no models', async () => {
    const router = createRouter({ models: { a: { provider: 'openai', apiKey: 'x' } }, clock: createFakeClock() })
    onTestFinished(() => router.close())
    const nobodys = 'ada' as unknown as Identity
    const refusal = { code: 'internal_error' }
    await expect(router.as(nobodys).handle({ body: { model: 'a', messages: [] } })).rejects.toMatchObject(refusal)
    expect(() => router.names(handed({ routes: 'auto' }))).toThrow(expect.objectContaining(refusal))
  })

  it('is one and the same in the budgets and in the ledger', async () => {
    const reply = plainReply({ status: 200, headers: {}, dialect: 'openai-chat', model: 'a', body: Buffer.from('{}') })
    const provider = {
      name: 'own',
      dialect: 'openai-chat',
      connect: () => ({ domain: 'd', send: async () => reply }),
    } as const
    const router = createRouter({
      models: { a: { provider, price: { input: 1, output: 1 } } },
      budgets: [{ per: 'user', window: 'day', limitUsd: 1 }],
      ledger: 'memory',
      clock: createFakeClock(),
    })
    onTestFinished(() => router.close())
    const identity = handed({ user: 42, team: null })
    await router.as(identity).handle({ body: { model: 'a', messages: [] } })
    expect(await router.budgets({ identity })).toMatchObject([{ bucket: '42' }])
    expect([...router.ledger!.calls({ user: '42' })]).toMatchObject([{ identity: { user: '42' } }])
  })
})
