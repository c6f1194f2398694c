import { expect, it } from 'vitest'
import { resolvePaths } from './load-paths.ts'

it("takes relative paths from the file's folder", () => {
  const config = {
    ledger: 'signalbox.db',
    store: 'sqlite:shared/state.db',
    plugins: ['./mine.ts', '@team/signalbox-plugin-x', { use: '../other.ts', options: { file: './a.json' } }],
    routes: { auto: { strategy: { use: 'of-a-plugin', files: ['../b.json', 'c'], nested: { d: './d' } } } },
  }
  expect(resolvePaths(config, '/etc/signalbox')).toEqual({
    ledger: '/etc/signalbox/signalbox.db',
    store: 'sqlite:/etc/signalbox/shared/state.db',
    plugins: [
      '/etc/signalbox/mine.ts',
      '@team/signalbox-plugin-x',
      { use: '/etc/other.ts', options: { file: '/etc/signalbox/a.json' } },
    ],
    routes: {
      auto: { strategy: { use: 'of-a-plugin', files: ['/etc/b.json', 'c'], nested: { d: '/etc/signalbox/d' } } },
    },
  })
})

it.each([
  { ledger: 'memory', store: 'memory' },
  { ledger: ':memory:' },
  { ledger: 'Memory' },
  { ledger: 'sqlite:ledger.db' },
  { ledger: 'postgres://db/ledger', store: 'redis://cache:6379' },
  { ledger: '/var/lib/ledger.db', store: 'sqlite:/var/lib/state.db' },
  { ledger: false, plugins: false },
  { plugins: [{ name: 'in code' }] },
])('leaves alone what is no relative path: %j', (config) => {
  expect(resolvePaths(config, '/etc/signalbox')).toEqual(config)
})
