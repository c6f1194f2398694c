import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram as run } from './support/run-program.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'signalbox-packages-'))
const packages = globSync('packages/*', { cwd: root })
  .map((path) => basename(path))
  .toSorted()

const local = (name: string) => join(root, 'node_modules/.bin', name)
const tarballOf = (name: string) => join(folder, `${name}.tgz`)

/** The version of a package that the lockfile holds for one of ours. */
function lockedVersion(dependency: string, of: string): string {
  const manifest = globSync(`${of}/node_modules/${dependency}/package.json`, { cwd: root })[0]!
  return (JSON.parse(readFileSync(join(root, manifest), 'utf8')) as { version: string }).version
}

/** The file that an import of ours reads in the workspace: of `core/http`, say. */
function sourceOf(name: string): string {
  const [own = '', ...path] = name.split('/')
  const manifest = JSON.parse(readFileSync(join(root, 'packages', own, 'package.json'), 'utf8')) as Published
  const target = manifest.exports[['.', ...path].join('/')] as Readonly<Record<string, string>>
  return join(root, 'packages', own, target['@signalbox/source']!)
}

beforeAll(async () => {
  for (const name of packages) rmSync(join(root, 'packages', name, 'dist'), { recursive: true, force: true })
  await run(local('tsc'), ['-b', '.config/tsconfig.build.json'], root)
  for (const name of packages)
    await run('npx', ['--yes', 'pnpm@12', '--filter', `./packages/${name}`, 'pack', '--out', tarballOf(name)], root)
}, 300_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Published {
  readonly name: string
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const targetsOf = ({ exports, bin = {} }: Published) =>
  [...Object.values(exports), bin].flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))

describe.each(packages)('the tarball of %s', (name) => {
  let files: string[]
  let manifest: Published
  beforeAll(async () => {
    const listed = await run('tar', ['-tzf', tarballOf(name)], root)
    files = listed
      .trim()
      .split('\n')
      .map((file) => file.replace(/^package\//, './'))
    manifest = JSON.parse(await run('tar', ['-xzOf', tarballOf(name), 'package/package.json'], root)) as Published
  })

  it('has a file for everything that it exports or runs', () => {
    expect(files).toEqual(expect.arrayContaining(targetsOf(manifest)))
  })

  it('has its licence and README, what is built or exported, and nothing else', () => {
    const always = ['./LICENSE', './README.md', './package.json']
    expect(files).toEqual(expect.arrayContaining(always))
    // The plugin to copy brings its sources along: what makes new ones reads them. The classifier reads its weights.
    const own = new Map([
      ['plugin-hello', './src/'],
      ['classifier', './weights/'],
    ]).get(name)
    const isOwn = (file: string) => own !== undefined && file.startsWith(own)
    const built = files.filter((file) => ![...always, ...targetsOf(manifest)].includes(file) && !isOwn(file))
    for (const file of built) expect(file).toMatch(/^\.\/dist\/.*(?<!\.(?:test|storm))\.(?:d\.ts|js|js\.map)$/)
  })

  it('names nothing that only the workspace knows', () => {
    expect(Object.values({ ...manifest.dependencies, ...manifest.peerDependencies }).join(' ')).not.toMatch(
      /workspace:|catalog:|link:/,
    )
    expect(JSON.stringify(manifest.exports)).not.toContain('@signalbox/source')
  })
})

const newest = ['express', 'koa', '@types/express', '@types/koa'].map((name) => [name, lockedVersion(name, 'test')])
const older = [
  ['express', lockedVersion('express-4', 'test')],
  ['koa', lockedVersion('koa-2', 'test')],
  ['@types/express', '4.17.25'],
  ['@types/koa', '2.15.0'],
]

describe.each([
  { beside: 'Express 5 and Koa 3', hosts: newest },
  { beside: 'Express 4 and Koa 2', hosts: older },
])('the tarballs, installed beside $beside', ({ beside, hosts }) => {
  const scratch = join(folder, beside.replaceAll(' ', '-'))
  beforeAll(async () => {
    cpSync(join(root, 'test/scratch'), scratch, { recursive: true })
    const own = Object.fromEntries(packages.map((name) => [`@signalbox/${name}`, `file:${tarballOf(name)}`]))
    const tools = ['@types/node', 'vitest'].map((name) => [name, lockedVersion(name, '.')])
    const locked = ['eventemitter3', 'undici', 'zod'].map((name) => [name, lockedVersion(name, 'packages/core')])
    mkdirSync(scratch, { recursive: true })
    writeFileSync(
      join(scratch, 'package.json'),
      JSON.stringify({
        private: true,
        dependencies: { ...own, ...Object.fromEntries([...hosts, ...tools]) },
        overrides: Object.fromEntries(locked),
      }),
    )
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--engine-strict=false'], scratch)
  }, 300_000)

  const answer = { status: 200, model: 'fast', content: 'All clear.' }

  it.each(['esm.mjs', 'cjs.cjs'])('answer a call in Express, in Koa and in plain Node: %s', async (script) => {
    const printed = JSON.parse(await run(process.execPath, [script], scratch)) as unknown
    expect(printed).toEqual({
      node: expect.stringMatching(/^v24\./),
      greetings: ['Hello, world!', 'Hello, world!', 'Hello, world!'],
      answers: { express: answer, koa: answer, listener: answer },
    })
  })

  it('export what their sources export', async () => {
    const plugins = packages.filter((name) => name.startsWith('plugin-'))
    const libraries = ['core', 'core/http', 'express', 'koa', 'classifier', ...plugins, 'testkit', 'testkit/plugin']
    for (const name of libraries) {
      const names = Object.keys((await import(sourceOf(name))) as object).toSorted()
      for (const [kind, load] of [
        ['module', `await import('@signalbox/${name}')`],
        ['commonjs', `require('@signalbox/${name}')`],
      ]) {
        const script = `console.log(JSON.stringify(Object.keys(${load}).sort()))`
        const printed = await run(process.execPath, [`--input-type=${kind}`, '-e', script], scratch)
        const given = JSON.parse(printed) as string[]
        // Node adds it to a module with a default export that is loaded by `require`.
        expect(
          given.filter((one) => one !== '__esModule'),
          `${name} as ${kind}`,
        ).toEqual(names)
      }
    }
  })

  it('run the command line, with a configuration in YAML', async () => {
    const yaml = 'models:\n  fast:\n    provider: openai-compatible\n    baseUrl: http://127.0.0.1:1/v1\n'
    writeFileSync(join(scratch, 'signalbox.yaml'), yaml)
    const bin = join(scratch, 'node_modules/.bin/signalbox')
    const checked = await run(process.execPath, [bin, 'serve', '--config', 'signalbox.yaml', '--check'], scratch)
    expect(checked).toContain('ok: signalbox.yaml has 1 model and 0 routes')
  })

  it('are typed, what a plugin merges into the state of a call too, and have a name for each type', async () => {
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      declaration: true,
    }
    writeFileSync(join(scratch, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    const compiled = await run(local('tsc'), ['-p', '.'], scratch).catch((error: Error) => error.message)
    const faults = compiled.split('\n').filter((line) => line.includes('error TS'))
    // Express and Koa's own declarations are not ours to mend.
    expect(faults.filter((fault) => !/^node_modules\/(?!@signalbox\/)/.test(fault))).toEqual([])
  })
})

describe('a plugin that the tarballs make', () => {
  const npm = (args: readonly string[], cwd: string) => run('npm', ['--engine-strict=false', ...args], cwd)
  const install = (names: readonly string[], cwd: string) =>
    npm(['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-save', ...names.map(tarballOf)], cwd)
  const maker = join(folder, 'maker')
  let made: string
  beforeAll(async () => {
    mkdirSync(maker)
    writeFileSync(join(maker, 'package.json'), '{ "private": true }')
    await install(['core', 'plugin-hello', 'create-plugin'], maker)
    await run(process.execPath, [join(maker, 'node_modules/.bin/create-plugin'), '@team/rate-card'], folder)
    made = join(folder, 'signalbox-plugin-rate-card')
    // Its own `npm install`, with the packages that are in no registry yet.
    await install(['core', 'testkit'], made)
  }, 300_000)

  it.each([
    ['lint', 'Found 0 warnings and 0 errors.'],
    ['types', ''],
    ['test', 'Tests  14 passed (14)'],
  ])('passes its %s untouched', async (script, told) => {
    expect(await npm(['run', script], made)).toContain(told)
  })

  it('holds the contract of plugins among its tests', async () => {
    const told = await npm(['run', 'test', '--', '--reporter=verbose'], made)
    expect(told).toContain('✓ src/index.test.ts > plugin contract: rate-card > keeps no stream back')
  })

  it('is packed with what it exports, and nothing else', async () => {
    const [{ files }] = JSON.parse(await npm(['pack', '--json', '--silent'], made)) as [{ files: { path: string }[] }]
    expect(files.map(({ path }) => path).toSorted()).toEqual(
      ['README.md', 'dist/index.d.ts', 'dist/index.js', 'dist/index.js.map', 'package.json'].toSorted(),
    )
  })
})
