import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createSqliteLedger, systemClock } from '@signalbox/core'
import { startSimulatedProvider } from '@signalbox/testkit'
import { expect, it, onTestFinished } from 'vitest'
import { configFile, finished, ran } from './testing/signalbox.ts'

let folders = 0

/** A folder with a configuration under each of some names. */
async function folderOf(names: readonly string[]): Promise<string> {
  const provider = await startSimulatedProvider()
  onTestFinished(() => provider.close())
  const text = JSON.stringify({
    models: { a: { provider: 'openai-compatible', baseUrl: provider.baseUrl, model: 'gpt-4.1', apiKey: 'sk-any' } },
    ledger: 'ledger.db',
    keys: [{ file: 'keys.json' }],
    plugins: ['./echo.mjs'],
  })
  const written = configFile({})
  const folder = join(dirname(written), `folder-${++folders}`)
  mkdirSync(folder)
  renameSync(written, join(folder, 'unused.json'))
  const plugin = "{ name: 'echo', commands: { say: { summary: 'says it', run: ({ print }) => print('said') } } }"
  writeFileSync(join(folder, 'echo.mjs'), `export default ${plugin}`)
  for (const name of names) writeFileSync(join(folder, name), name.endsWith('json') ? text : `export default ${text}`)
  await createSqliteLedger({ file: join(folder, 'ledger.db'), clock: systemClock }).end()
  return folder
}

const commands = ['keys create --name shop', 'serve --check', 'doctor', 'report', 'keys list', 'echo say']
const run = (line: string, folder: string) => ran(line.split(' '), {}, folder)

it.each(['signalbox.config.json', 'signalbox.config.ts'])('every command finds %s in its folder', async (name) => {
  const folder = await folderOf([name])
  for (const line of commands) expect(await run(line, folder), line).toMatchObject({ code: 0, stderr: '' })
  expect(await finished(['echo', 'say'], {}, folder)).toEqual({ code: 0, stdout: 'said\n', stderr: '' })
})

it('tells what was looked for, and where, when there is none', async () => {
  const folder = await folderOf([])
  const looked = `needs --config FILE, or one of signalbox.config.json, signalbox.config.yaml, signalbox.config.yml, signalbox.config.ts, signalbox.config.mts, signalbox.config.js, signalbox.config.mjs in ${folder}`
  for (const line of ['serve', 'doctor', 'report', 'keys list', 'tail'])
    expect(await run(line, folder), line).toMatchObject({
      code: 2,
      stderr: `signalbox: ${line} ${looked}\nTry "signalbox --help".\n`,
    })
  expect((await run('server', folder)).stderr).toContain(
    `there is no command "server" of its own (serve, doctor, report, keys, tail, train, explain, replay and simulate), and that of a plugin ${looked}`,
  )
})

it('takes none of several', async () => {
  const folder = await folderOf(['signalbox.config.json', 'signalbox.config.ts'])
  expect(await run('report', folder)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      `expected one configuration in ${folder}, got signalbox.config.json and signalbox.config.ts`,
    ),
  })
})

it('is not what is served in the place of a file whose name is empty', async () => {
  const folder = await folderOf(['signalbox.config.json'])
  for (const line of ['serve --check --config=', 'report --config=', 'keys list --config=', 'echo say --config='])
    expect(await run(line, folder), line).toMatchObject({
      code: 2,
      stderr: 'signalbox: --config: expected a file, got nothing\nTry "signalbox --help".\n',
    })
})
