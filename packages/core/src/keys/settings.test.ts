import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { configFaults } from '../config/validate.ts'
import { strategyNames } from '../strategies/index.ts'

const faultsOf = (keys: unknown) =>
  configFaults({ models: { a: { provider: 'openai' } }, routes: { auto: { models: ['a'] } }, keys }, strategyNames).map(
    ({ path, message }) => `${path}: ${message}`,
  )

describe('keys in a configuration', () => {
  it('are written out, hashed, or in a file', () => {
    const budgets = [{ limitUsd: 5, window: 'day', timeZone: 'Europe/Berlin', alertAt: 0.8 }]
    const scope = {
      user: 'u',
      team: 't',
      tier: 'pro',
      tags: ['x'],
      routes: ['auto'],
      models: ['a'],
      maxCostUsd: 1,
      budgets,
    }
    const keys = [
      { name: 'shop', key: 'sixteen-characters', ...scope, expiresAt: '2027-01-01' },
      { name: 'shop', sha256: 'a'.repeat(64), expiresAt: '2027-01-01T00:00:00+01:00' },
      { file: 'keys.json' },
    ]
    expect(faultsOf(keys)).toEqual([])
    expect(faultsOf(false)).toEqual([])
  })

  it('stand once each, and name routes and models that are there', () => {
    const key = 'sixteen-characters'
    const sha256 = createHash('sha256').update(key).digest('hex')
    const keys = [
      { name: 'one', key, routes: ['a'], models: ['a'] },
      { name: 'two', sha256, routes: ['a', 'atuo'] },
      { name: 'three', key: 'another-sixteen-characters', models: ['auto'] },
    ]
    expect(faultsOf(keys)).toEqual([
      'keys[1]: expected another key than keys[0], got the same',
      'keys[1].routes[1]: no route or model is named "atuo"',
      'keys[2].models[0]: no model is named "auto"',
    ])
    expect(faultsOf(keys).join()).not.toContain(key)
  })

  /** Nobody could show it: a header does not carry it as it stands there. */
  const unsendable = /^keys\[0\]\.key: expected printable ASCII characters without spaces, got a string \(not shown\)$/
  it.each([
    [[{ name: 'shop', key: '' }], unsendable],
    [[{ name: 'shop', key: 'from-a-file\n' }], unsendable],
    [[{ name: 'shop', key: 'Schlüssel' }], unsendable],
    [[{ key: 'sixteen-characters' }], /^keys\[0\]\.name: /],
    [[{ name: 'shop', sha256: 'abc' }], /^keys\[0\]\.sha256: expected a SHA-256/],
    [[{ name: 'shop', key: 'sixteen-characters', expiresAt: 'soon' }], /^keys\[0\]\.expiresAt: /],
    [
      [{ name: 'shop', key: 'sixteen-characters', budgets: [{ per: 'user', limitUsd: 1, window: 'day' }] }],
      /budgets\[0\]\.per: unknown key/,
    ],
    ['sk-proj-0123456789abcdef', /^keys: expected a list.*got a string \(not shown\)/],
  ])('are refused with the path to what is wrong, and show no key', (keys, fault) => {
    expect(faultsOf(keys)).toEqual([expect.stringMatching(fault)])
  })
})
