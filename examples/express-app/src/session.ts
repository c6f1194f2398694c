import type { RequestHandler } from 'express'

/** A user of the app. */
interface User {
  readonly id: string
  readonly plan: 'free' | 'pro'
}

declare global {
  namespace Express {
    interface Request {
      user?: User
    }
  }
}

/** The key of a user for trying the app. */
export const demoKey = 'demo'

/** A toy in place of the app's real session: who has which key stands in this file. */
const users: ReadonlyMap<string, User> = new Map([
  [demoKey, { id: 'ada', plan: 'pro' }],
  ['demo-free', { id: 'bob', plan: 'free' }],
])

/** Finds out who asks, and leaves it in `req.user`. */
export const session: RequestHandler = (req, _res, next) => {
  // OpenAI's clients show a key in one header, Anthropic's in another.
  const user = users.get(req.get('authorization')?.replace(/^Bearer /i, '') ?? req.get('x-api-key') ?? '')
  if (user) req.user = user
  next()
}
