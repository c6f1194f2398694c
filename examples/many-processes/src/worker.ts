// One of several processes behind one port. It ends when it is told to, after the calls under way.
import { createServer } from 'node:http'
import { listener } from '@signalbox/core/http'
import { type Place, createAppRouter } from './router.ts'

const router = createAppRouter(JSON.parse(process.env['PLACE']!) as Place)
const answer = listener(router)

const server = createServer((req, res) => {
  res.setHeader('x-process', process.pid)
  answer(req, res)
}).listen(0, '127.0.0.1')

process.once('SIGTERM', () => {
  server.close()
  void router.close().then(() => process.exit())
})
