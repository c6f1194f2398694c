import { type Identity, type Router, SignalboxError } from '@signalbox/core'
import { signalbox, signalboxErrors } from '@signalbox/express'
import express, { type Express, type Request } from 'express'
import { session } from './session.ts'

/** An ordinary Express app: its own session, its own route, and the router at `/v1`. */
export function createApp(router: Router): Express {
  const app = express()
  app.use(session)

  // Before the app's body parser: prompts may be as long as the router takes them.
  app.use('/v1', signalbox(router, { identify }), signalboxErrors())

  app.use(express.json())
  app.get('/', (req, res) => {
    res.json({ app: 'an ordinary Express app', user: req.user?.id ?? null, models: router.names() })
  })
  return app
}

/** Tells the router who calls. The app knows its users; the router only believes it. */
function identify({ user }: Request): Identity {
  if (!user) throw new SignalboxError('unauthenticated', 'Send the key of a user of this app')
  return { user: user.id, tier: user.plan, ...(user.plan === 'free' && { routes: ['fast'] }) }
}
