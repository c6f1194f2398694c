import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createPlugin } from './create-plugin.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'signalbox-create-'))
afterAll(() => rmSync(folder, { recursive: true }))

const bin = fileURLToPath(new URL('bin.ts', import.meta.url))
const run = (args: readonly string[], cwd: string) =>
  execFileSync(process.execPath, ['--conditions=@signalbox/source', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: 'pipe',
    timeout: 100_000,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  })

describe('a plugin outside the workspace', () => {
  const made = createPlugin({ name: '@team/rate-card', into: folder, workspace: false })

  it('is a package of its own under its own names', () => {
    const manifest = JSON.parse(readFileSync(join(made, 'package.json'), 'utf8')) as object
    expect(manifest).toMatchObject({
      name: '@team/signalbox-plugin-rate-card',
      keywords: ['signalbox-plugin'],
      peerDependencies: { '@signalbox/core': expect.stringMatching(/^\^\d/) },
    })
    const source = readFileSync(join(made, 'src/index.ts'), 'utf8')
    expect(source).toContain("name: 'rate-card'")
    expect(source).toContain('export default function rateCard(')
    expect(source + readFileSync(join(made, 'README.md'), 'utf8')).not.toMatch(/\bhello\b|plugin-hello/)
  })

  it('passes types, lint, its test and the plugin contract untouched', { timeout: 120_000 }, () => {
    const modules = join(made, 'node_modules')
    mkdirSync(join(modules, '@signalbox'), { recursive: true })
    for (const name of ['core', 'testkit']) symlinkSync(join(root, 'packages', name), join(modules, '@signalbox', name))
    for (const name of ['vitest', 'typescript', '@types'])
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
    const tool = (name: string) => join(root, 'node_modules', name)
    run([tool('typescript/bin/tsc'), '-p', '.', '--customConditions', '@signalbox/source'], made)
    run([tool('oxlint/bin/oxlint'), '--deny-warnings'], made)
    // On the sources of the workspace, which only a condition finds.
    const config = join(made, 'vitest.config.ts')
    const conditions = `{ conditions: ['@signalbox/source', 'module', 'node', 'development|production'] }`
    writeFileSync(config, `export default { resolve: ${conditions}, ssr: { resolve: ${conditions} } }`)
    const tested = run([tool('vitest/vitest.mjs'), 'run', '--config', config, '--root', made], made)
    expect(tested).toMatch(/Tests {2}14 passed/)
  })
})

describe('a plugin in the workspace', () => {
  it('is a package like the others, with a changeset and its place in the build', () => {
    const workspace = join(folder, 'workspace')
    for (const path of ['.config/tsconfig.build.json', '.changeset/config.json', 'packages/plugin-hello/package.json'])
      cpSync(join(root, path), join(workspace, path))
    const made = createPlugin({ name: 'region', into: workspace, workspace: true })
    const manifest = readFileSync(join(made, 'package.json'), 'utf8')
    const hello = readFileSync(join(root, 'packages/plugin-hello/package.json'), 'utf8')
    expect(Object.keys(JSON.parse(manifest) as object)).toEqual(Object.keys(JSON.parse(hello) as object))
    expect(manifest).toContain('"name": "@signalbox/plugin-region"')
    expect(readFileSync(join(workspace, '.changeset/plugin-region.md'), 'utf8')).toContain(
      "'@signalbox/plugin-region': minor",
    )
    const build = readFileSync(join(workspace, '.config/tsconfig.build.json'), 'utf8')
    expect(build).toBe(
      readFileSync(join(root, '.config/tsconfig.build.json'), 'utf8')
        .replace(/^(.*plugin-hello.*)$/m, '$1\n    { "path": "../packages/plugin-region/tsconfig.build.json" },')
        .replace(/(\n.*plugin-region.*)(\n.*plugin-pii.*)/, '$2$1'),
    )
    for (const file of ['LICENSE', 'README.md', 'tsconfig.build.json', 'src/index.test.ts'])
      expect(existsSync(join(made, file))).toBe(true)
  })
})

const pipeline = readFileSync(join(root, 'packages/core/src/pipeline.ts'), 'utf8')
const builtIns = Array.from(pipeline.matchAll(/builtIn: (\w+)/g), ([, name]) => name!)
const noNames = [
  ...builtIns,
  'Region',
  '../x',
  'a b',
  '',
  '-x',
  'default',
  'for',
  'return',
  '@team/await',
  'define-plugin',
  'reader',
]
it.each(noNames)('refuses the name "%s", of which no plugin that runs can be made', (name) => {
  expect(() => createPlugin({ name, into: folder, workspace: false })).toThrow('expected a name such as')
})

it('makes nothing where something is', () => {
  createPlugin({ name: 'twice', into: folder, workspace: false })
  expect(() => createPlugin({ name: 'twice', into: folder, workspace: false })).toThrow('is there already')
})

it('is a command that says what to do next, and what is wrong', () => {
  expect(run([bin, 'printed'], folder)).toBe(
    'made signalbox-plugin-printed\nnext: cd signalbox-plugin-printed && npm install && npm test\n',
  )
  expect(() => run([bin], folder)).toThrow('expected one name')
  expect(run([bin, '--help'], folder)).toMatch(/^npm create @signalbox\/plugin NAME/)
})
