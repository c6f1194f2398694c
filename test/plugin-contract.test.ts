import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Ignored by git and by the linter. */
const folder = join(root, 'test/dist/contract')

/** Plugins that break the contract, and the test of it that must tell. */
const broken = {
  changing: {
    tells: 'changes nothing that it was given',
    hook: `(call, next) => { call.request.body.messages[0].content += '!'; return next(call) }`,
  },
  gathering: {
    tells: 'keeps no stream back: content comes before the model has ended',
    hook: `async (call, next) => { const r = await next(call); return r.body instanceof Uint8Array ? r : { ...r, body: streamOf([await readBody(r)]) } }`,
  },
  deaf: {
    tells: 'lets the model go when its caller leaves',
    hook: `(call, next) => next({ ...call, signal: new AbortController().signal })`,
  },
  hiding: {
    tells: 'hides no failure of the model, and takes none for its own',
    hook: `(call, next) => next(call).catch(() => { throw new Error('mine') })`,
  },
  plain: {
    tells: 'keeps no stream back: content comes before the model has ended',
    hook: `async (call, next) => { const r = await next(call); return plainReply({ status: 200, headers: {}, dialect: r.dialect, model: r.model, body: await readBody(r) }) }`,
  },
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[]
      readonly title: string
      readonly status: string
    }[]
  }[]
}

let failures: Map<string, string[]>

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  const suites = Object.entries(broken).map(
    ([name, { hook }]) => `pluginContract(() => ({ name: '${name}', call: ${hook} }))`,
  )
  writeFileSync(
    join(folder, 'broken.test.ts'),
    `import { plainReply, readBody, streamOf } from '@signalbox/core'\nimport { pluginContract } from '@signalbox/testkit/plugin'\n${suites.join('\n')}`,
  )
  // Each breaks one test, and is run through no other: what waits for it in vain waits as long as a test may take.
  const told = Object.entries(broken).map(([name, { tells }]) => `${name}.+${tells}`)
  writeFileSync(
    join(folder, 'vitest.config.ts'),
    `const conditions = ['@signalbox/source', 'module', 'node', 'development|production']
     export default { resolve: { conditions }, ssr: { resolve: { conditions } }, test: { reporters: ['json'], outputFile: 'report.json', testTimeout: 1_000, testNamePattern: ${JSON.stringify(told.join('|'))} } }`,
  )
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  await promisify(execFile)(process.execPath, [vitest, 'run', '--root', folder], { timeout: 100_000 }).catch(
    () => undefined,
  )
  const { default: report } = (await import(join(folder, 'report.json'), { with: { type: 'json' } })) as {
    default: Report
  }
  failures = new Map()
  for (const { ancestorTitles, title, status } of report.testResults.flatMap(
    ({ assertionResults }) => assertionResults,
  )) {
    const name = ancestorTitles.at(-1)!.replace('plugin contract: ', '')
    failures.set(name, [...(failures.get(name) ?? []), ...(status === 'failed' ? [title] : [])])
  }
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

it.each(Object.entries(broken))('the contract of plugins tells of one that is %s', (name, { tells }) => {
  expect(failures.get(name)).toContain(tells)
})
