import express, { type Request } from 'express'
import { Pool } from 'undici'
import { type ChatRequest } from './chat-request.ts'
import { path } from '../traffic.ts'
import { type Place, backlog } from './place.ts'

/** What a careful application developer writes by hand: `express.json`, `undici.request`, `res.json`. */
export function serve({ port, upstream }: Place): void {
  const pool = new Pool(upstream, { connections: 1024 })
  const app = express().use(express.json({ limit: '10mb' }))
  // oxlint-disable-next-line oxc/no-async-endpoint-handlers -- Express 5 takes the promise
  app.post(path, async (req: Request<object, unknown, ChatRequest>, res) => {
    const answer = await pool.request({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', authorization: req.get('authorization') },
      body: JSON.stringify(req.body),
    })
    res.status(answer.statusCode)
    if (req.body.stream) answer.body.pipe(res.type('text/event-stream'))
    else res.json(await answer.body.json())
  })
  app.listen(port, '127.0.0.1', backlog)
}
