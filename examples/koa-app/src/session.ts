import type { Middleware } from 'koa'

/** A user of the app. */
interface User {
  readonly id: string
  readonly plan: 'free' | 'pro'
}

/** What the session leaves in `ctx.state`. */
export interface SessionState {
  user?: User
}

/** The key of a user for trying the app. */
export const demoKey = 'demo'

/** A toy in place of the app's real session: who has which key stands in this file. */
const users: ReadonlyMap<string, User> = new Map([
  [demoKey, { id: 'ada', plan: 'pro' }],
  ['demo-free', { id: 'bob', plan: 'free' }],
])

/** Finds out who asks, and leaves it in `ctx.state.user`. */
export const session: Middleware<SessionState> = (ctx, next) => {
  // OpenAI's clients show a key in one header, Anthropic's in another.
  const user = users.get(ctx.get('authorization').replace(/^Bearer /i, '') || ctx.get('x-api-key'))
  if (user) ctx.state.user = user
  return next()
}
