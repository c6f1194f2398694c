import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createRouter } from '../router.ts'
import { loadConfig } from './load.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0

function write(extension: string, text: string): string {
  const file = join(folder, `config-${++files}.${extension}`)
  writeFileSync(file, text)
  return file
}

const json = (value: unknown) => write('json', JSON.stringify(value))
const model = { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1' }

async function messageOf(file: string, env: Record<string, string> = {}): Promise<string> {
  const error: unknown = await loadConfig(file, { env }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'invalid_config' })
  return (error as Error).message.replaceAll(folder, '.')
}

describe('the formats', () => {
  it('reads JSON, with and without a byte order mark', async () => {
    const value = { version: 1, models: { a: model } }
    expect(await loadConfig(json(value))).toEqual(value)
    expect(await loadConfig(write('json', `\uFEFF${JSON.stringify(value)}`))).toEqual(value)
  })

  it.each(['yaml', 'yml'])('reads .%s as YAML 1.2, in which "no" is a text', async (extension) => {
    const text = `models:\n  no:\n    provider: openai-compatible\n    baseUrl: http://127.0.0.1:1/v1\n    tags: [no]\n`
    expect(await loadConfig(write(extension, text))).toEqual({ models: { no: { ...model, tags: ['no'] } } })
  })

  it.each(['ts', 'mts', 'mjs'])('reads the default export of a .%s module', async (extension) => {
    const type = extension === 'mjs' ? '' : ': object'
    const file = write(
      extension,
      `const model${type} = ${JSON.stringify(model)}\nexport default { models: { a: model } }`,
    )
    expect(await loadConfig(file)).toEqual({ models: { a: model } })
  })

  it('keeps functions and plugins of a module as they are', async () => {
    const file = write(
      'mjs',
      `export const plugin = { name: 'p', call: (call, next) => next(call) }
       export default { plugins: [plugin], models: { a: { ...${JSON.stringify(model)}, headers: { x: '$X' }, apiKey: () => 'k' } } }`,
    )
    const { plugin } = (await import(file)) as { plugin: object }
    const config = await loadConfig(file, { env: { X: 'from the environment' } })
    expect(config.plugins).toEqual([plugin])
    expect(Object.is((config.plugins as object[])[0], plugin)).toBe(true)
    expect(config.models['a']).toMatchObject({ headers: { x: 'from the environment' }, apiKey: expect.any(Function) })
  })

  it('gives what createRouter takes', async () => {
    const router = createRouter(await loadConfig(json({ models: { a: model }, routes: { auto: { models: ['a'] } } })))
    expect(router.names()).toEqual(['auto', 'a'])
    await router.close()
  })
})

describe('plugins', () => {
  const plugin = write('mjs', `export default { name: 'mine', call: (call, next) => next(call) }`)
  const factory = write(
    'mjs',
    `export default (options) => ({ name: options?.name ?? 'made', version: JSON.stringify(options) })`,
  )
  const broken = write('mjs', `throw new Error('broken inside')`)
  const empty = write('mjs', `export const plugin = 1`)
  const own = (file: string) => `./${basename(file)}`
  const names = (plugins: unknown) => (plugins as { name: string }[]).map(({ name }) => name)

  it('are loaded by path from the folder of the file, at the top and on routes', async () => {
    const config = await loadConfig(
      json({
        models: { a: model },
        routes: { auto: { models: ['a'], plugins: [{ use: own(factory), options: { name: 'of-auto' } }] } },
        plugins: [own(plugin), { use: own(factory), options: { name: 'x' } }, { use: own(factory) }],
      }),
    )
    expect(names(config.plugins)).toEqual(['mine', 'x', 'made'])
    expect(names(config.routes!['auto']!.plugins)).toEqual(['of-auto'])
    const router = createRouter(config)
    expect(router.order[0]).toMatchObject({ plugin: 'mine' })
    await router.close()
  })

  it('are loaded by package name from beside the file, in data and in a module', async () => {
    const home = join(folder, 'node_modules/@team/signalbox-plugin-x')
    mkdirSync(home, { recursive: true })
    writeFileSync(
      join(home, 'package.json'),
      JSON.stringify({ type: 'module', exports: { import: './x.js', default: './x.js' } }),
    )
    writeFileSync(join(home, 'x.js'), `export default () => ({ name: 'x' })`)
    const value = { models: { a: model }, plugins: ['@team/signalbox-plugin-x'] }
    expect(names((await loadConfig(json(value))).plugins)).toEqual(['x'])
    expect(names((await loadConfig(write('ts', `export default ${JSON.stringify(value)}`))).plugins)).toEqual(['x'])
  })

  it('have keys of their own in the file', async () => {
    const keyed = write(
      'mjs',
      `const validate = (value) => value?.name ? { value } : { issues: [{ message: 'expected a name', path: ['name'] }] }
       export default { name: 'region', config: { '~standard': { version: 1, vendor: 'mine', validate } } }`,
    )
    const value = { models: { a: model }, plugins: [own(keyed)] }
    expect(await loadConfig(json({ ...value, region: { name: 'eu' } }))).toMatchObject({ region: { name: 'eu' } })
    expect(await messageOf(json({ ...value, region: {} }))).toContain('  region.name: expected a name, got nothing')
    expect(await messageOf(json({ ...value, plugins: [], region: {} }))).toContain('  region: unknown key')
  })

  it('that cannot be loaded are faults, all at once and each at its place', async () => {
    const message = await messageOf(
      json({
        models: { a: model },
        routes: { auto: { models: ['b'], plugins: [own(empty)] } },
        plugins: ['./absent.mjs', own(broken), { use: own(plugin), options: {} }, 7],
      }),
    )
    expect(message).toContain('  plugins[0]: the plugin "./absent.mjs" cannot be loaded: Cannot find module')
    expect(message).toContain('  plugins[1]: the plugin')
    expect(message).toContain('cannot be loaded: broken inside')
    expect(message).toContain('takes no options')
    expect(message).toContain('  plugins[3]: ')
    expect(message).toContain('  routes.auto.plugins[0]: expected a plugin, or a function that makes one')
    expect(message).toContain('no model is named "b"')
  })

  it('that are none are faults with their place, and none of them is left out in silence', async () => {
    const wrong = [
      ['export default () => undefined', 'plugins[1]: expected a plugin of what "'],
      ['export default 5', ', got 5'],
      [`export default () => { throw new Error('no luck') }`, 'could not be made: no luck'],
      ['export default { call: (call, next) => next(call) }', 'plugins[1].name: expected a string, got nothing'],
      [
        'export default () => ({ name: "x", call: { stage: "guard" } })',
        'plugins[1].call.run: expected a function, got nothing',
      ],
    ] as const
    for (const [text, expected] of wrong) {
      const message = await messageOf(json({ models: { a: model }, plugins: [own(plugin), own(write('mjs', text))] }))
      expect(message).toContain(expected)
      expect(message).toContain(' has a fault:')
    }
  })
})

describe('environment variables', () => {
  it('stand wherever a text is exactly their name', async () => {
    const file = json({
      models: { a: { ...model, apiKey: '$KEY', headers: { 'x-team': '$TEAM', 'x-cost': '$5', 'x-sum': 'a $TEAM' } } },
      routes: { auto: { models: ['$FIRST'] } },
    })
    expect(await loadConfig(file, { env: { KEY: 'sk-1', TEAM: 'blue', FIRST: 'a' } })).toEqual({
      models: { a: { ...model, apiKey: 'sk-1', headers: { 'x-team': 'blue', 'x-cost': '$5', 'x-sum': 'a $TEAM' } } },
      routes: { auto: { models: ['a'] } },
    })
  })

  it('are escaped by one more $', async () => {
    const file = json({ models: { a: { ...model, tags: ['$$KEY', '$$$KEY', '$$'] } } })
    const config = await loadConfig(file, { env: { KEY: 'sk-1' } })
    expect(config.models['a']?.tags).toEqual(['$KEY', '$$KEY', '$$'])
  })

  it('are not taken for a text where they are in braces, as shells write them', async () => {
    const file = json({ models: { a: { ...model, apiKey: '${KEY}' } } })
    expect(await messageOf(file, { KEY: 'sk-1' })).toContain('  models.a.apiKey: expected $KEY, got ${KEY}')
    const meant = json({ models: { a: { ...model, tags: ['$${KEY}', 'a${KEY}'] } } })
    expect((await loadConfig(meant, { env: {} })).models['a']?.tags).toEqual(['${KEY}', 'a${KEY}'])
  })

  it('that are not set are faults like all others, each named once with its path', async () => {
    const file = json({
      models: { 'gpt-4.1': { ...model, apiKey: '$KEY' }, b: { ...model, baseUrl: '$URL', weigth: 2 } },
      routes: { auto: { models: ['$FIRST', 'c'] } },
    })
    expect(await messageOf(file)).toBe(
      [
        `The configuration ${file.replace(folder, '.')} has 5 faults:`,
        '  models.gpt-4.1.apiKey: the environment variable KEY is not set',
        '  models.b.baseUrl: the environment variable URL is not set',
        '  routes.auto.models[0]: the environment variable FIRST is not set',
        '  models.b.weigth: unknown key, got 2',
        '  routes.auto.models[1]: no model is named "c"; there are gpt-4.1, b',
      ].join('\n'),
    )
  })

  it('that are not set are not found among what every object has', async () => {
    const file = json({ models: { a: { ...model, apiKey: '$constructor' } } })
    expect(await messageOf(file)).toContain('models.a.apiKey: the environment variable constructor is not set')
  })

  it('never show their values, also not in faults that the values cause', async () => {
    const file = json({
      models: { a: { ...model, baseUrl: '$URL', weight: '$WEIGHT', domain: '$EMPTY' } },
      routes: { auto: { strategy: '$STRATEGY', models: ['$FIRST'] } },
    })
    const env = { URL: 'hunter2', WEIGHT: 'hunter2', EMPTY: '', STRATEGY: 'hunter2', FIRST: 'hunter2' }
    const message = await messageOf(file, env)
    expect(message).not.toContain('hunter2')
    expect(message.split('\n').slice(1)).toEqual([
      '  models.a.baseUrl: expected a URL such as "https://api.example.com/v1", got "$URL" (its value is not shown)',
      '  models.a.weight: expected a number, got "$WEIGHT" (its value is not shown)',
      '  models.a.domain: expected a text of 1 or more characters, got "$EMPTY" (its value is not shown)',
      '  routes.auto.models[0]: no model is named "$FIRST"; there are a (its value is not shown)',
      expect.stringContaining('  routes.auto.strategy: no strategy is named "$STRATEGY"'),
    ])
  })
})

describe('what cannot be read', () => {
  it.each([
    ['json', '{\n  "models": {"a": sk-secret-1234}\n}', /^Unexpected "s" at line 2, column 19$/],
    ['json', '{\n  "models": {},\n}', /^Expected double-quoted property name at line 3, column 1$/],
    ['json', '{"models": {', /^The JSON ends too soon at line 1, column 13$/],
    ['json', '', /^The JSON ends too soon at line 1, column 1$/],
    ['json', '{"budgets": [1],\n "models": {},\n "budgets": []}', /^Keys must be unique at line 3, column 2$/],
    ['yaml', 'models:\n  a: [1\nroutes: {}\n', /^Flow sequence .* at line 3, column 1$/],
    ['yaml', 'a: 1\na: 2\n', /^Map keys must be unique at line 2, column 1$/],
    ['yaml', 'a: !env KEY\n', /^Unresolved tag: !env at line 1, column 4$/],
    ['yaml', 'a: "sk-secret-1234\n', /^Missing closing "quote at line 2, column 1$/],
    ['yaml', 'a: *nobody\n', /Unresolved alias/],
    [
      'yaml',
      'routes:\n  a: { strategy: &s { use: rules, rules: [*s] } }\n',
      /^An anchor must not stand for what it is in$/,
    ],
  ])('names line and column in .%s, and quotes nothing: %j', async (extension, text, expected) => {
    const message = await messageOf(write(extension, text))
    const [, reason = ''] = /cannot be read: (.*)$/s.exec(message) ?? []
    expect(reason).toMatch(expected)
    expect(message).not.toContain('secret')
  })

  it('says of a file that it is not there, is a folder, or is of no known kind', async () => {
    expect(await messageOf('nowhere.json')).toBe('The configuration nowhere.json cannot be read: there is no such file')
    expect(await messageOf('nowhere.ts')).toContain('there is no such file')
    expect(await messageOf(write('toml', ''))).toContain('ends in one of .json, .yaml, .yml, .ts, .mts, .js, .mjs')
  })

  it('says of a module what is wrong with it', async () => {
    expect(await messageOf(write('mjs', 'throw new Error("no luck")'))).toContain('cannot be read: no luck')
    expect(await messageOf(write('mjs', 'export const config = {}'))).toContain('as its default export')
  })

  it.each(['null', '[]', '"text"'])('says of %s that it is no configuration', async (text) => {
    expect(await messageOf(write('json', text))).toContain('(top): expected an object, got ')
  })
})
