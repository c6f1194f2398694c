// What an application does with the packages: mounts a router three ways and answers a call on each.
const { createServer } = require('node:http')

module.exports = async function answerOnEachMount({ core, http, express, koa, hello }) {
  const upstream = createServer((_req, res) => {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify(completion))
  })
  const greetings = []
  const router = core.createRouter({
    models: { fast: core.openaiCompatible({ baseUrl: `${await listening(upstream)}/v1`, apiKey: 'any' }) },
    plugins: [hello(), core.classifier('greetings', (call) => void greetings.push(call.state.hello))],
  })
  const app = express.framework()
  app.use('/v1', express.signalbox(router))
  const koaApp = new koa.Framework()
  koaApp.use(koa.signalbox(router, { prefix: '/v1' }))
  const servers = {
    express: createServer(app),
    koa: createServer(koaApp.callback()),
    listener: createServer(http.listener(router)),
  }
  const answers = {}
  for (const [name, server] of Object.entries(servers)) answers[name] = await ask(`${await listening(server)}/v1`)
  await router.close()
  for (const server of [upstream, ...Object.values(servers)]) server.close().closeAllConnections()
  return { node: process.version, greetings, answers }
}

const completion = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 0,
  model: 'fast',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'All clear.' } }],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
}

function listening(server) {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)),
  )
}

async function ask(url) {
  const answer = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'Is the route clear?' }] }),
  })
  const { choices } = await answer.json()
  return {
    status: answer.status,
    model: answer.headers.get('x-signalbox-model'),
    content: choices?.[0].message.content,
  }
}
