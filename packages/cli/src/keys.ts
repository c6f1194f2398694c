import { type RouterOptions, SignalboxError, type StoredKey, createKey, readKeys, revokeKeys } from '@signalbox/core'
import type { KeysOptions } from './arguments.ts'
import { type Column, printable, table } from './table.ts'
import { screen } from './terminal.ts'

/** What `signalbox keys` prints. */
export function keys(config: RouterOptions, options: KeysOptions): string {
  const file = fileOf(config)
  switch (options.verb) {
    case 'create': {
      const { key, stored } = createKey(file, options.key)
      return `${key}\n\nThe key "${stored.name}" (${stored.id}) is in ${file}, hashed: it is shown this once.`
    }
    case 'list':
      return listText(readKeys(file))
    case 'revoke': {
      const revoked = revokeKeys(file, options.which)
      if (revoked.length > 0) return revoked.map(({ name, id }) => `revoked ${name} (${id})`).join('\n')
      throw new SignalboxError('invalid_config', `There is no key "${options.which}" in ${file}`)
    }
  }
}

function fileOf({ keys: sources }: RouterOptions): string {
  const found = (sources || []).find((source) => 'file' in source)
  if (found) return found.file
  throw new SignalboxError(
    'invalid_config',
    'keys: expected a file in the configuration: "keys": [{ "file": "keys.json" }]',
  )
}

function listText(stored: readonly StoredKey[]): string {
  if (stored.length === 0) return 'There is no key yet.'
  const columns: readonly Column<StoredKey>[] = [
    { title: 'name', text: ({ name }) => printable(name), align: 'left' },
    { title: 'id', text: ({ id }) => printable(id), align: 'left' },
    { title: 'may use', text: scopeOf, align: 'left' },
    { title: 'spends', text: budgetsOf, align: 'left' },
    { title: 'created', text: ({ createdAt }) => createdAt.slice(0, 10), align: 'left', dropAt: 1 },
    { title: 'expires', text: ({ expiresAt }) => expiryOf(expiresAt), align: 'left' },
  ]
  return table(columns, stored, screen())
}

const scopeOf = ({ routes, models }: StoredKey) =>
  printable([...(routes ?? []), ...(models ?? []).map((model) => `model ${model}`)].join(', ') || 'everything')

const budgetsOf = ({ budgets = [], maxCostUsd }: StoredKey) =>
  [
    ...budgets.map(
      ({ limitUsd, window }) => `${limitUsd} USD a ${typeof window === 'string' ? window : `${window.rollingMs} ms`}`,
    ),
    ...(maxCostUsd === undefined ? [] : [`${maxCostUsd} USD a call`]),
  ].join(', ') || 'without end'

function expiryOf(expiresAt: string | undefined): string {
  if (expiresAt === undefined) return 'never'
  return Date.parse(expiresAt) <= Date.now() ? 'expired' : expiresAt.slice(0, 10)
}
