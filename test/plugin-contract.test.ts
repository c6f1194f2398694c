import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { definePlugin, streamOf } from '@signalbox/core'
import { pluginContract } from '@signalbox/testkit/plugin'

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
  holding: {
    tells: 'lets the model go when its caller leaves',
    hook: `async (call, next) => ({ ...(await next(call)), cancel() {} })`,
  },
  forgetful: {
    tells: 'says what was used',
    hook: `async (call, next) => { const r = await next(call); return { ...r, ended: r.ended.then((end) => ({ ...end, usage: { ...end.usage, outputTokens: 0 } })) } }`,
  },
  mistaken: {
    tells: 'takes no answer for that of another question',
    hook: `cacheLayer('any', { get: () => globalThis.last, set: (_call, answer) => { globalThis.last = answer } }).call`,
  },
  careless: {
    tells: 'takes no answer for that of another question',
    hook: `cacheLayer('any', ((kept) => ({ get: (call) => kept.get(call.request.text), set: (call, answer) => void kept.set(call.request.text, answer) }))(new Map())).call`,
  },
  streaming: {
    tells: 'says what was used',
    hook: `async (call, next) => { const r = await next(call); return r.body instanceof Uint8Array ? r : streamReply({ status: 200, headers: {}, dialect: r.dialect, model: r.model, body: r.body, cancel: r.cancel }) }`,
  },
  mending: {
    tells: 'hides no failure of the model, and takes none for its own',
    hook: `async (call, next) => { const r = await next(call); return { ...r, ended: r.ended.then((end) => ({ ...end, how: 'complete' })) } }`,
  },
  failing: {
    tells: 'says what was used',
    hook: `{ stage: 'observe', run: async (call, next) => { await next(call); throw new Error('stepped over') } }`,
  },
  plain: {
    tells: 'keeps no stream back: content comes before the model has ended',
    hook: `async (call, next) => { const r = await next(call); return plainReply({ status: 200, headers: {}, dialect: r.dialect, model: r.model, body: await readBody(r) }) }`,
  },
}

/** Strategies that break theirs. */
const brokenStrategies = {
  doubling: {
    tells: 'puts each model of its route in one place at most, whatever is asked and by whom',
    rank: `(call, models) => [...models, ...models]`,
  },
  brittle: {
    tells: 'puts each model of its route in one place at most, whatever is asked and by whom',
    rank: `(call, models) => [models[0], models[1]]`,
  },
  writing: {
    tells: 'puts each model of its route in one place at most, whatever is asked and by whom',
    rank: `(call, models) => { call.labels.seen = 'yes'; return models }`,
  },
  counting: {
    tells: 'moves no state when it is only asked',
    rank: `(call, models) => { turns++; return [...models.slice(turns % models.length), ...models.slice(0, turns % models.length)] }`,
  },
  reading: {
    tells: 'makes a decision again from what is recorded of it',
    rank: `(call, models) => call.request.text.length > 100 ? models.toReversed() : models`,
  },
  drawing: {
    tells: 'makes a decision again from what is recorded of it',
    rank: `(call, models) => Math.random() < 0.5 ? models.toReversed() : models`,
  },
  forgetting: {
    tells: 'takes in how answers and ratings were',
    rank: `(call, models) => models`,
    observe: `({ type, labels }) => { if (type === 'rated') labels.none.length }`,
  },
  unrated: {
    tells: 'takes in how answers and ratings were',
    rank: `(call, models) => models`,
    router: `{ plugins: [guard('closed', () => { throw refuse('No.') })] }`,
  },
}

/** Layers of the cache that break theirs: what they do at `get` and `set`, over a map. */
const brokenLayers = {
  lending: {
    tells: 'gives bytes that nobody else can change',
    layer: `get: (key) => kept.get(key), set: (key, answer) => void kept.set(key, answer)`,
  },
  folding: {
    tells: 'tells keys apart that only differ in their case',
    layer: `get: (key) => got(key.toLowerCase()), set: (key, answer) => put(key.toLowerCase(), answer)`,
  },
  texting: {
    tells: 'gives every field and byte as it was',
    layer: `get: (key) => got(key), set: (key, answer) => put(key, { ...answer, body: Buffer.from(Buffer.from(answer.body).toString()) })`,
  },
  rounding: {
    tells: 'gives every field and byte as it was',
    layer: `get: (key) => got(key), set: (key, answer) => put(key, { ...answer, storedAt: Math.round(answer.storedAt) })`,
  },
  lasting: {
    tells: 'gives what was set last under a key, and nothing under others',
    layer: `get: (key) => got(key), set: (key, answer) => { if (!kept.has(key)) put(key, answer) }`,
  },
  cutting: {
    tells: 'gives an answer of a megabyte whole or not at all',
    layer: `get: (key) => got(key), set: (key, answer) => put(key, { ...answer, body: answer.body.subarray(0, 65_536) })`,
  },
  confusing: {
    tells: 'stands being asked for many keys at once',
    layer: `async get(key) { asked = key; await undefined; return got(asked) }, set: (key, answer) => put(key, answer)`,
  },
  throwing: {
    tells: 'serves routers that share it, plain answers and streams',
    layer: `get: (key) => got(key), set(key, answer) { if (answer.streamed) throw new Error('no streams'); put(key, answer) }`,
  },
  miscounting: {
    tells: 'says how much it holds, where it says it',
    layer: `get: (key) => got(key), set: (key, answer) => put(key, answer), size: () => ({ entries: 1, bytes: 1, maximumBytes: 2 })`,
  },
  trusting: {
    tells: 'has no answer under a key whose bytes were changed where they are kept',
    layer: `get: (key) => got(key), set: (key, answer) => put(key, answer)`,
  },
}

async function* spelled(chunks: AsyncIterable<Uint8Array>) {
  for await (const chunk of chunks) yield Buffer.from(Buffer.from(chunk).toString().replaceAll('words', 'w0rds'))
}

// One that changes the words of streams keeps it.
pluginContract(() =>
  definePlugin({
    name: 'spelling',
    call: {
      stage: 'guard',
      async run(call, next) {
        const reply = await next(call)
        return reply.body instanceof Uint8Array ? reply : { ...reply, body: streamOf(spelled(reply.body)) }
      },
    },
  }),
)

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
  const strategies = Object.entries<{ rank: string; observe?: string; router?: string }>(brokenStrategies).map(
    ([name, { rank, observe = '() => undefined', router = '{}' }]) =>
      `strategyContract(() => ({ name: '${name}', rank: ${rank}, observe: ${observe} }), { router: ${router} })`,
  )
  const imports = [
    `import { cacheLayer, guard, plainReply, readBody, refuse, streamOf, streamReply } from '@signalbox/core'`,
    `import { cacheLayerContract, pluginContract, strategyContract } from '@signalbox/testkit/plugin'`,
    'let turns = 0',
    'let asked',
    'const kept = new Map()',
    'const got = (key) => kept.has(key) ? { ...kept.get(key), body: Buffer.from(kept.get(key).body) } : undefined',
    'const put = (key, answer) => void kept.set(key, { ...answer, body: Buffer.from(answer.body) })',
    'const damage = (key) => void kept.get(key).body.fill(0, 0, 1)',
  ]
  const layers = Object.entries(brokenLayers).map(
    ([name, { layer }]) => `cacheLayerContract('${name}', () => ({ name: '${name}', ${layer} }), { damage })`,
  )
  writeFileSync(join(folder, 'broken.test.ts'), [...imports, ...suites, ...strategies, ...layers].join('\n'))
  // Each breaks one test, and is run through no other: what waits for it in vain waits as long as a test may take.
  const told = Object.entries({ ...broken, ...brokenStrategies, ...brokenLayers }).map(
    ([name, { tells }]) => `${name}.+${tells}`,
  )
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
    const name = ancestorTitles.at(-1)!.replace(/^(?:plugin|strategy|cache layer) contract: /, '')
    failures.set(name, [...(failures.get(name) ?? []), ...(status === 'failed' ? [title] : [])])
  }
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

it.each(Object.entries(broken))('the contract of plugins tells of one that is %s', (name, { tells }) => {
  expect(failures.get(name)).toContain(tells)
})

it.each(Object.entries(brokenLayers))('the contract of cache layers tells of one that is %s', (name, { tells }) => {
  expect(failures.get(name)).toContain(tells)
})

it.each(Object.entries(brokenStrategies))('the contract of strategies tells of one that is %s', (name, { tells }) => {
  expect(failures.get(name)).toContain(tells)
})
