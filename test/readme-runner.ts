// Runs blocks of code from the READMEs: `node readme-runner.ts FOLDER...`, each with a `block.ts` in it. Asks every router
// that a block makes, and every server that it starts.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { registerHooks } from 'node:module'
import { type AddressInfo, Server } from 'node:net'
import { pathToFileURL } from 'node:url'
import { startSimulatedProvider } from '@signalbox/testkit'

const core = new URL('readme-core.ts', import.meta.url).href
const folders = process.argv.slice(2)

registerHooks({
  resolve(specifier, context, next) {
    const fromBlock = folders.some((folder) => context.parentURL?.startsWith(pathToFileURL(folder).href))
    return fromBlock && specifier === '@signalbox/core' ? { url: core, shortCircuit: true } : next(specifier, context)
  },
})

const provider = await startSimulatedProvider()
process.env['SIMULATED_URL'] = provider.baseUrl
const { routers } = await import('./readme-core.ts')

/** Servers of the blocks that listen at a port of their own choice. Here they get one that is free. */
const servers: Server[] = []
const { listen } = Server.prototype
Server.prototype.listen = function listenAnywhere(this: Server, ...given: unknown[]) {
  if (given[0] !== 3000) return Reflect.apply(listen, this, given) as Server
  servers.push(this)
  return Reflect.apply(listen, this, [0, '127.0.0.1']) as Server
} as typeof listen

for (const folder of folders) {
  process.chdir(folder)
  await import(pathToFileURL(`${folder}/block.ts`).href)
  for (const server of servers.splice(0)) await askServer(server)
  for (const router of routers.splice(0)) {
    if (!router.ready) continue
    const reply = await router.handle({ body: prompt(router.names()[0]!) })
    assert.equal((await reply.ended).how, 'complete')
    await router.close()
  }
  console.log(`ran ${folder}`)
}
process.exit()

async function askServer(server: Server): Promise<void> {
  if (!server.listening) await once(server, 'listening')
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  const { data } = (await (await fetch(`${address}/models`)).json()) as { data: { id: string }[] }
  const ask = (body: string) =>
    fetch(`${address}/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const answer = await ask(JSON.stringify(prompt(data[0]!.id)))
  assert.equal(answer.status, 200, await answer.text())
  assert.equal(answer.headers.get('x-signalbox-route'), data[0]!.id)
  const refusal = await ask('{"model":')
  assert.deepEqual([refusal.status, JSON.parse(await refusal.text()).error.code], [400, 'invalid_json'])
  server.close()
}

function prompt(model: string) {
  return { model, messages: [{ role: 'user', content: 'What is 17 * 23?' }] }
}
