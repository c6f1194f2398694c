import { execFile } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { configJsonSchema, loadConfig } from '@signalbox/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorStatuses } from '../packages/core/src/http/errors.ts'
import { pipeline } from '../packages/core/src/pipeline.ts'

const run = promisify(execFile)
/** A child that hangs is not left behind. */
const childMs = 50_000
const root = fileURLToPath(new URL('..', import.meta.url))
/** Ignored by git, by the linter and, for its dot, by the project's own `tsc`. */
const scratch = join(root, 'test/dist/.readme')

interface Block {
  readonly readme: string
  readonly language: string
  readonly code: string
  /** Where it is written to. */
  readonly folder: string
  readonly title: string
}

const readmes = ['README.md', ...globSync('{packages/*/README,docs/*}.md', { cwd: root })].map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}))
const blocks = readmes.flatMap(({ path, text }) => blocksOf(path, text))
const inLanguage = (...languages: string[]) => blocks.filter(({ language }) => languages.includes(language))
/** A test suite, which no program can run. */
const isSuite = ({ code }: Block) => code.includes("from '@signalbox/testkit/plugin'")

function blocksOf(readme: string, text: string): Block[] {
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(({ 1: language = '', 2: code = '', index }) => {
    const line = text.slice(0, index).split('\n').length
    const folder = join(scratch, `${readme.replaceAll('/', '-')}-${line}`)
    return { readme, language, code, folder, title: `${readme}:${line}` }
  })
}

/** What a block of `readme` finds beside itself: the block that is called `// router.ts`, the configuration, a session. */
function companions({ readme, code }: Block): Record<string, string> {
  const own = blocks.filter((block) => block.readme === readme)
  const named = own.filter((block) => block.code.startsWith('// ') && block.code !== code)
  const files = named.map((block) => [/^\/\/ (\S+)/.exec(block.code)![1]!, block.code])
  const config = own.find(({ language }) => language === 'json')
  return {
    ...Object.fromEntries(files),
    ...(config && { 'signalbox.json': config.code }),
    'session.ts': code.includes(`from 'koa'`) ? koaSession : expressSession,
  }
}

const keys = { OPENAI_API_KEY: 'sk-1', DEEPSEEK_API_KEY: 'sk-2' }

const expressSession = `import type { RequestHandler } from 'express'
declare global { namespace Express { interface Request { user: { id: string; plan: string } } } }
export const session: RequestHandler = (req, _res, next) => { req.user = { id: 'ada', plan: 'pro' }; next() }
`
const koaSession = `import type { Middleware } from 'koa'
export const session: Middleware = (ctx, next) => { ctx.state['user'] = { id: 'ada' }; return next() }
`

beforeAll(() => {
  rmSync(scratch, { recursive: true, force: true })
  for (const block of inLanguage('ts')) {
    mkdirSync(block.folder, { recursive: true })
    const files = { ...companions(block), 'block.ts': `${block.code}\nexport {}\n` }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(block.folder, name), text)
  }
  for (const { folder, language, code } of inLanguage('json', 'yaml')) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `block.${language}`), code)
  }
  mkdirSync(join(scratch, 'node_modules/@signalbox'), { recursive: true })
  for (const path of globSync('packages/*', { cwd: root })) {
    symlinkSync(join(root, path), join(scratch, 'node_modules/@signalbox', basename(path)))
  }
  writeFileSync(join(scratch, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(scratch, 'tsconfig.json'), '{ "extends": "../../../tsconfig.json", "include": ["**/*.ts"] }')
})

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('the code in the READMEs', () => {
  it('is written in languages that are tested here', () => {
    const known = ['ts', 'json', 'yaml', 'sh', 'text']
    expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([])
    expect(inLanguage('ts').length).toBeGreaterThan(8)
  })

  it.concurrent('type-checks', { timeout: 60_000 }, async () => {
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = await run(process.execPath, [tsc, '-p', scratch], { timeout: childMs }).catch(
      (error: { stdout: string }) => error,
    )
    expect(stdout).toBe('')
  })

  it.concurrent('runs, and what it mounts answers prompts', { timeout: 60_000 }, async () => {
    const folders = inLanguage('ts').flatMap((block) => (isSuite(block) ? [] : [block.folder]))
    const runner = fileURLToPath(new URL('readme-runner.ts', import.meta.url))
    const env = { ...process.env, ...keys }
    const args = ['--conditions=@signalbox/source', runner, ...folders]
    const { stdout } = await run(process.execPath, args, { env, timeout: childMs }).catch(
      (error: { stdout: string; stderr: string }) => {
        throw new Error(`${error.stdout}\n${error.stderr}`)
      },
    )
    expect(stdout.match(/^ran .*$/gm)).toEqual(folders.map((folder) => `ran ${folder}`))
    expect(stdout).toContain('17 × 23 = 391')
    const promised = blocks.flatMap(({ code }) => [...code.matchAll(/requests: \d+, answered: \d+, failed: \d+/g)])
    const counted = /{\s+requests: (\d+),[^}]+answered: (\d+),[^}]+failed: (\d+)/.exec(stdout) ?? []
    const [, requests, answered, failed] = counted
    expect(promised.map(String)).toEqual([`requests: ${requests}, answered: ${answered}, failed: ${failed}`])
  })

  it.concurrent('passes, where it is a suite of tests', { timeout: 60_000 }, async () => {
    const suites = inLanguage('ts').filter(isSuite)
    const include = suites.map(({ folder }) => join(folder, 'block.ts'))
    const conditions = ['@signalbox/source', 'module', 'node', 'development|production']
    const config = { resolve: { conditions }, ssr: { resolve: { conditions } }, test: { include } }
    writeFileSync(join(scratch, 'vitest.config.ts'), `export default ${JSON.stringify(config)}`)
    const vitest = join(root, 'node_modules/vitest/vitest.mjs')
    const { stdout } = await run(process.execPath, [vitest, 'run', '--root', scratch, '--reporter', 'verbose'], {
      timeout: childMs,
    })
    const declared = [...stdout.matchAll(/(?:plugin|strategy) contract: (\w+)/g)].map(([, name]) => name)
    expect(new Set(declared)).toEqual(new Set(['region', 'polite', 'function']))
    expect(suites).toHaveLength(3)
  })

  it.each(inLanguage('json', 'yaml'))('is data, and configures a router if it says so, at $title', async (block) => {
    const { code, folder, language } = block
    if (language === 'json') JSON.parse(code)
    if (!/^\W*models\b/m.test(code)) return
    const env = Object.fromEntries([...code.matchAll(/\$(\w+)/g)].map(([, name]) => [name, 'key']))
    const options = await loadConfig(join(folder, `block.${language}`), { env })
    expect(Object.keys(options.models).length).toBeGreaterThan(0)
  })

  it('calls scripts and packages that there are', () => {
    const lines = inLanguage('sh').flatMap(({ code }) => code.trim().split('\n'))
    expect(lines.filter((line) => !isKnown(line))).toEqual([])
  })
})

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }
const folderOf = (name: string) => join(root, name.replace('@signalbox/', 'packages/'))

/** Whether a line calls a script of the workspace, installs its packages, or is a command that needs none of it. */
function isKnown(line: string): boolean {
  const [command, ...words] = line.replace(/ #.*/, '').split(' ')
  if (command === 'npx') return words[0] === 'pnpm@12' && Object.hasOwn(scripts, words[1]!)
  if (command === 'npm') {
    const names = words.slice(1).filter((word) => word.startsWith('@signalbox/'))
    return names.length > 0 && names.every((name) => existsSync(folderOf(name)))
  }
  return ['signalbox', 'export', 'curl', 'kill'].includes(command!)
}

describe('the text of the READMEs', () => {
  it.each(readmes)('of $path links to files that exist', ({ path, text }) => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1]!)
    expect(links.filter((link) => !existsSync(join(root, dirname(path), link)))).toEqual([])
  })

  it('names every package, and no other', () => {
    const names = [...readmes[0]!.text.matchAll(/^packages\/([\w-]+)(\*?) {2,}/gm)].map(([, name, rest]) => [
      name!,
      rest,
    ])
    const folders = globSync('packages/*', { cwd: root }).map((path) => basename(path))
    const isNamed = (folder: string) =>
      names.some(([name, rest]) => (rest ? folder.startsWith(name!) : folder === name))

    expect(folders.filter((folder) => !isNamed(folder))).toEqual([])
    expect(names.filter(([name, rest]) => !rest && !folders.includes(name!))).toEqual([])
    expect(names.length).toBeGreaterThan(5)
  })

  it('gives the defaults of the configuration schema', () => {
    const rows = readmes.flatMap(({ text }) => [...text.matchAll(/^\| `(\w+)\.(\w+)` *\| (\S+) *\|/gm)])
    expect(rows.length).toBeGreaterThan(12)
    for (const [, group = '', key = '', value] of rows) {
      expect(descriptionOf(group, key), `${group}.${key}`).toContain(`Default ${value}.`)
    }
  })

  it('has every code of an error, with its status', () => {
    const { text } = readmes.find(({ path }) => path === 'docs/failures.md')!
    const rows = [...text.matchAll(/^\| (\d{3}) +\| (`[^|]+) \|/gm)]
    const told = rows.flatMap(([, status, codes = '']) =>
      codes.match(/\w+/g)!.map((code) => [code, Number(status)] as const),
    )
    expect(Object.fromEntries(told)).toEqual(errorStatuses)
    expect(told).toHaveLength(Object.keys(errorStatuses).length)
  })

  it('shows the steps of the rings in their order', () => {
    const shown = [...readmes[0]!.text.matchAll(/(call|attempt) ring: +([\w, ]+\w)/g)]
    for (const [, ring, steps = ''] of shown) {
      const stages = pipeline.filter((step) => step.ring === ring).map(({ stage }) => stage)
      expect(steps.split(', ')).toEqual([...new Set(stages)])
    }
    expect(shown).toHaveLength(2)
  })
})

interface JsonSchema {
  readonly description?: string
  readonly properties?: Record<string, JsonSchema>
  readonly anyOf?: readonly JsonSchema[]
}

function descriptionOf(group: string, key: string): string | undefined {
  const { properties } = configJsonSchema() as JsonSchema
  const branches = properties?.[group]?.anyOf ?? []
  return branches.find((branch) => branch.properties)?.properties?.[key]?.description
}
