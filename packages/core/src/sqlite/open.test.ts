import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'

/** Whether a process that makes a router with these settings loads Node's SQLite, which prints a warning on Node 22. */
async function loads(settings: object): Promise<boolean> {
  const program = `
    import { createRouter, openai } from '@signalbox/core'
    import { listener } from '@signalbox/core/http'
    const router = createRouter({ models: { a: openai('a', { apiKey: 'k' }) }, cache: {}, ...${JSON.stringify(settings)} })
    listener(router)
    await router.close()
    console.log(process.moduleLoadList.some((name) => name.endsWith(' sqlite')))`
  const args = ['--conditions=@signalbox/source', '--input-type=module', '-e', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
  return JSON.parse(stdout) as boolean
}

it('is loaded where a file is opened with it, and nowhere else', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sqlite-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true }))
  expect(await loads({ ledger: 'memory', store: 'memory' })).toBe(false)
  expect(await loads({ ledger: path.join(folder, 'ledger.db') })).toBe(true)
})
