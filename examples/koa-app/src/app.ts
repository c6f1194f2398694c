import KoaRouter from '@koa/router'
import { type Identity, type Router, SignalboxError } from '@signalbox/core'
import { signalbox, signalboxErrors } from '@signalbox/koa'
import Koa, { type Context } from 'koa'
import { koaBody } from 'koa-body'
import { type SessionState, session } from './session.ts'

/** An ordinary Koa app: its own session, its own routes behind koa-body, and the router at `/v1`. */
export function createApp(router: Router): Koa<SessionState> {
  const pages = new KoaRouter<SessionState>()
  pages.get('/', (ctx) => {
    ctx.body = { app: 'an ordinary Koa app', user: ctx.state.user?.id ?? null, models: router.names() }
  })

  const app = new Koa<SessionState>()
  app.use(session)
  // Here the router stands behind the app's body parser, whose limits then hold for prompts too: 1 MB by default.
  app.use(signalboxErrors({ prefix: '/v1' }))
  app.use(koaBody({ jsonLimit: '10mb' }))
  app.use(signalbox(router, { prefix: '/v1', identify }))
  app.use(pages.routes()).use(pages.allowedMethods())
  return app
}

/** Tells the router who calls. The app knows its users; the router only believes it. */
function identify(ctx: Context): Identity {
  const { user } = ctx.state as SessionState
  if (!user) throw new SignalboxError('unauthenticated', 'Send the key of a user of this app')
  return { user: user.id, tier: user.plan, ...(user.plan === 'free' && { routes: ['fast'] }) }
}
