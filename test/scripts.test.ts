import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { completion, end, jsonError } from '@signalbox/testkit'
import { temporaryFolder } from './support/processes.ts'
import { upstreamThat } from './support/routers.ts'

it('lives until a call that waits to be tried again is answered, and no longer: a script that does nothing else', async () => {
  let asked = 0
  const upstream = await upstreamThat(() =>
    asked++ === 0 ? [jsonError(500, {}, { connection: 'close' }), end()] : completion({ content: 'at last' }),
  )
  const { folder, remove } = temporaryFolder()
  onTestFinished(remove)
  const script = join(folder, 'script.mjs')
  writeFileSync(
    script,
    `import { createRouter, openaiCompatible } from '${import.meta.resolve('@signalbox/core')}'
    const models = { a: openaiCompatible({ baseUrl: '${upstream.baseUrl}', model: 'm', apiKey: 'k' }) }
    const router = createRouter({ models, health: false })
    const reply = await router.handle({ body: { model: 'a', messages: [{ role: 'user', content: 'Hi' }] } })
    console.log(Buffer.from(reply.body).toString())`,
  )
  const args = ['--conditions=@signalbox/source', '--disable-warning=ExperimentalWarning', script]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 })
  expect(stdout).toContain('at last')
  expect(asked).toBe(2)
})
