import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { configFile, configFor, finished, ran } from './testing/signalbox.ts'

const key = { PROVIDER_KEY: 'sk-very-secret-key-of-the-provider' }
const config = configFile({
  ...configFor('http://127.0.0.1:1/v1'),
  models: {
    'gpt-4.1': { provider: 'openai', apiKey: '$PROVIDER_KEY' },
    spare: { provider: 'openai-compatible', baseUrl: 'http://127.0.0.1:1/v1', model: 'gpt-4.1-mini' },
  },
  routes: {
    auto: { strategy: { use: 'weighted' }, models: ['gpt-4.1'], fallback: ['spare'] },
    cheap: { models: [{ model: 'spare', weight: 2 }] },
  },
})

describe('--help and --version', () => {
  it('print to stdout and exit with 0', async () => {
    const [help, version] = [await finished(['--help']), await ran(['-v'])]
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(help.stdout).toContain('signalbox serve [--config FILE]')
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' })
  })

  it('print what is of one command, behind its name', async () => {
    const { code, stdout } = await finished(['keys', '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^signalbox keys create\|list\|revoke [^]*--limit-usd/)
    expect(stdout).not.toContain('--port')
  })
})

describe('--check', () => {
  it('says ok and what there is, and exits with 0', async () => {
    const { code, stdout, stderr } = await finished(['serve', '--config', config, '--check'], key)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe(
      [
        `ok: ${config} has 2 models and 2 routes`,
        '  auto     weighted: gpt-4.1, then spare',
        '  cheap    ordered: spare',
        '  gpt-4.1  openai gpt-4.1',
        '  spare    openai-compatible gpt-4.1-mini',
        '',
      ].join('\n'),
    )
  })

  it('lists every fault at once, and exits with 1', async () => {
    const wrong = configFile({
      models: { a: { provider: 'openai-compatible', baseUrl: 'nowhere', apiKey: '$UNSET' } },
      routes: { auto: { models: ['b', 'b'] } },
      timeouts: { callMs: 'long' },
    })
    const { code, stdout, stderr } = await ran(['serve', '--config', wrong, '--check'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      [
        `signalbox: The configuration ${wrong} has 6 faults:`,
        '  models.a.apiKey: the environment variable UNSET is not set',
        '  models.a.baseUrl: expected a URL such as "https://api.example.com/v1", got "nowhere"',
        '  timeouts.callMs: expected a number, got "long"',
        '  routes.auto.models[0]: no model is named "b"; there are a',
        '  routes.auto.models[1]: no model is named "b"; there are a',
        '  routes.auto.models[1]: "b" is listed twice',
        '',
      ].join('\n'),
    )
  })
})

describe('a key that cannot be sent', () => {
  it('is refused with the model it is for, also where the environment has it', async () => {
    const models = { a: { provider: 'openai', apiKey: '$EMPTY' }, b: { provider: 'openai', apiKey: 'sk with spaces' } }
    const file = configFile({ models })
    const expected = 'expected printable ASCII characters without spaces, got'
    expect((await ran(['serve', '--check', '-c', file], { EMPTY: '' })).stderr).toBe(
      [
        `signalbox: The configuration ${file} has 2 faults:`,
        `  models.a.apiKey: ${expected} a string (not shown) (its value is not shown)`,
        `  models.b.apiKey: ${expected} a string (not shown)`,
        '',
      ].join('\n'),
    )
    for (const [provider, variable] of [
      ['openai', 'OPENAI_API_KEY'],
      ['anthropic', 'ANTHROPIC_API_KEY'],
    ] as const)
      expect(
        await ran(['serve', '--check', '-c', configFile({ models: { mine: { provider } } })], { [variable]: '' }),
      ).toMatchObject({ code: 1, stderr: expect.stringContaining(`models.mine.apiKey: ${variable} is empty`) })
  })
})

it.each([
  ['--check', /^ok: /],
  ['--print-order', /cache +cache\n[^]*meter +ledger\n/],
])('makes no file for %s', async (flag, told) => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-inspected-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [ledger, limits, file] = ['ledger', 'limits', 'cache'].map((name) => join(folder, `${name}.db`))
  const kept = { ledger, store: `sqlite:${limits}`, cache: { file } }
  const whole = configFile({ models: { a: { provider: 'openai', apiKey: 'any' } }, ...kept })
  const { code, stdout } = await ran(['serve', flag, '-c', whole])
  expect(code).toBe(0)
  expect(stdout).toMatch(told)
  expect(readdirSync(folder)).toEqual([])
})

describe('--print-order', () => {
  it('prints the rings outermost first, a plugin of a module among them', async () => {
    const module = configFile(
      `const call = (call: unknown, next: (call: unknown) => unknown) => next(call)
      export default {
        models: { a: { provider: 'openai', apiKey: '$PROVIDER_KEY' } },
        plugins: [
          { name: 'hello', call },
          { name: 'prompt-rules', call: { stage: 'guard', run: call } },
          { name: 'first-only', route: (_call: unknown, [first]: unknown[], attempt: (one: unknown) => unknown) => attempt(first) },
        ],
      }`,
      'ts',
    )
    const { code, stdout, stderr } = await ran(['serve', '-c', module, '--print-order'], key)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatchInlineSnapshot(`
      "call ring, once for a call
        outermost  hello
        observe    observe
        guard      permission
        guard      prompt-rules
        cache      idempotency
        admit      degrade
        admit      admit
      route, ranks the models and tries them in turn
        route      first-only
      attempt ring, once for each model; inside retry, once for each attempt
        retry      translate
        retry      retry
        budget     budget
        limiter    hold
        limiter    limiter
        limiter    adaptive
        breaker    breaker
        timeout    timeout
        meter      health
        meter      meter
      model
      "
    `)
  })
})

it('prints the order of a route that has plugins of its own behind that of all others', async () => {
  const guarded = configFile(
    `const call = { stage: 'guard', run: (call: unknown, next: (call: unknown) => unknown) => next(call) }
    export default {
      models: { a: { provider: 'openai', apiKey: '$PROVIDER_KEY' } },
      routes: { safe: { models: ['a'], plugins: [{ name: 'prompt-rules', call }] } },
    }`,
    'ts',
  )
  const { stdout } = await ran(['serve', '-c', guarded, '--print-order'], key)
  const [everywhere = '', onRoute = ''] = stdout.split('on the route "safe"')
  expect(everywhere).not.toContain('prompt-rules')
  expect(onRoute).toMatch(/guard {4}permission\n {2}guard {4}prompt-rules\n/)
})

describe('a command of a plugin', () => {
  const commanded = configFile(
    `export default {
      models: { a: { provider: 'openai', apiKey: '$PROVIDER_KEY' } },
      plugins: [{
        name: 'echo',
        commands: {
          say: { summary: 'says it', run: ({ args, router, print }: any) => { print([...router.names(), ...args].join(' ')); return args.length } },
          fail: { summary: 'fails', run: () => Promise.reject(new Error('inside')) },
          text: { summary: 'fails, too', run: () => { throw 'a text' } },
          odd: { summary: 'gives no code', run: () => 300 },
        },
      }],
    }`,
    'ts',
  )

  it('runs with the words behind it and the router, and gives the exit code', async () => {
    expect(await ran(['echo', 'say', '-c', commanded, '--', 'hello', '--there'], key)).toEqual({
      code: 2,
      stdout: 'a hello --there\n',
      stderr: '',
    })
  })

  it.each([
    ['fail', 'failed: Error: inside\n    at '],
    ['text', 'failed: a text\n'],
    ['odd', 'gave 300 in place of an exit code from 0 to 255\n'],
  ])('that fails is named: %s', async (command, why) => {
    const { code, stderr } = await ran(['echo', command, '-c', commanded], key)
    expect(code).toBe(1)
    expect(stderr.startsWith(`signalbox: the command "echo ${command}" ${why}`), stderr).toBe(true)
  })

  it('that is not there is told of with those that are', async () => {
    const { code, stderr } = await ran(['echo', 'shout', '-c', commanded], key)
    expect(code).toBe(2)
    expect(stderr).toContain(
      'has no command "echo shout". Its plugins have:\n  echo say   says it\n  echo fail  fails\n',
    )
    expect((await ran(['echo', 'toString', '-c', commanded], key)).stderr).toContain('no command "echo toString"')
    expect(stderr).not.toContain('serve')
  })

  it('is refused at start where a command of signalbox itself hides it', async () => {
    const hidden = `export default {
      models: { a: { provider: 'openai', apiKey: 'any' } },
      plugins: [{ name: 'keys', commands: { rotate: { summary: 'rotates', run: () => 0 } } }],
    }`
    const { code, stderr } = await ran(['serve', '--check', '-c', configFile(hidden, 'ts')])
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^signalbox: plugins\.keys: expected another name for a plugin with commands than .*\bkeys\b/,
    )
  })

  it('of a plugin that is not there is taken for a slip in one of its own', async () => {
    expect((await ran(['sevre', '-c', config], key)).stderr).toMatch(
      /has no command "sevre"\. Its plugins have none\.\nThose of signalbox itself are serve, doctor,/,
    )
  })
})

it('tells wrong use in two lines, and exits with 2', async () => {
  expect(await finished(['serve', '--confg', 'x.json'])).toEqual({
    code: 2,
    stdout: '',
    stderr: `signalbox: unknown option '--confg'\nTry "signalbox --help".\n`,
  })
})

describe('the reader of the output', () => {
  const bin = fileURLToPath(new URL('bin.ts', import.meta.url))
  const printing = (redirect: string, option = '--help') =>
    spawnSync('sh', ['-c', `"$0" --conditions=@signalbox/source "$1" ${option} ${redirect}`, process.execPath, bin], {
      encoding: 'utf8',
    })

  it('may have read enough', () => {
    expect(printing('| true')).toMatchObject({ status: 0, stderr: '' })
  })

  it.runIf(existsSync('/dev/full'))('may be a disk that is full, which is told', () => {
    const { status, stderr } = printing('> /dev/full')
    expect(status).toBe(1)
    expect(stderr).toMatch(/^signalbox: the output cannot be written: ENOSPC.*\n$/)
  })

  it.runIf(existsSync('/dev/full'))('may be one who cannot be told: that ends nothing', () => {
    expect(printing('2> /dev/full', '--confg')).toMatchObject({ status: 2, stdout: '' })
  })
})

describe('what stands in the way', () => {
  it('a file that is not there', async () => {
    expect(await ran(['serve', '-c', 'nowhere.yaml'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'signalbox: The configuration nowhere.yaml cannot be read: there is no such file\n',
    })
  })

  it('a module that fails, with the line', async () => {
    const reason = async (text: string, extension: string) => {
      const { code, stderr } = await finished(['serve', '--check', '-c', configFile(text, extension)])
      expect(code).toBe(1)
      return stderr.replace(/^.* cannot be read: /, '').trim()
    }
    expect(await reason('\nthrow new Error("no luck")', 'mjs')).toBe('no luck at line 2')
    expect(await reason('\n\nexport default {', 'ts')).toMatch(/ at line 3$/)
    const inner = configFile('\nthrow new Error("no luck")\nexport default {}', 'mjs')
    const outer = `export { default } from ${JSON.stringify(pathToFileURL(inner).href)}`
    expect(await reason(outer, 'mjs')).toBe(`no luck at ${inner}, line 2`)
  })

  it.each([
    {
      what: 'a ledger that is none',
      options: (file: string) => ({ ledger: file }),
      told: 'the ledger cannot be kept in',
    },
    {
      what: 'a cache that is none',
      options: (file: string) => ({ cache: { file } }),
      told: 'the cache cannot be kept in',
    },
  ])('$what, or whose folder is none', async ({ options, told }) => {
    const garbage = configFile('no database '.repeat(100), 'db')
    for (const [file, why] of [
      [garbage, 'file is not a database'],
      [`${garbage}/none.db`, `there is no folder ${garbage}`],
    ] as const) {
      const wrong = configFile({ models: { a: { provider: 'openai', apiKey: 'any' } }, ...options(file) })
      expect(await ran(['serve', '--check', '-c', wrong])).toEqual({
        code: 1,
        stdout: '',
        stderr: `signalbox: ${told} ${file}: ${why}\n`,
      })
    }
    expect(await ran(['simulate', '--ledger', garbage, '--policy', configFile({ models: {} })])).toMatchObject({
      code: 1,
    })
  })

  it('a port that is in use', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const { code, stdout, stderr } = await finished(['serve', '-c', config, '--port', String(port)], key)
    taken.close()
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(`signalbox: port ${port} at 127.0.0.1 is in use; choose another one with --port\n`)
  })

  it('a host that is not of this machine', async () => {
    const { code, stderr } = await ran(['serve', '-c', config, '--host', '192.0.2.1', '--port', '0'], key)
    expect(code).toBe(1)
    expect(stderr).toBe('signalbox: 192.0.2.1 is no address of this machine; choose another one with --host\n')
  })
})
