import { type RouterOptions, SignalboxError, type StoredKey, createKey, readKeys, revokeKeys } from '@signalbox/core'
import type { KeysOptions } from './arguments.ts'
import type { NewKey } from './keys-arguments.ts'
import { type Column, printable, table } from './table.ts'
import { screen } from './terminal.ts'

/** What `signalbox keys` prints. */
export function keys(config: RouterOptions, options: KeysOptions): string {
  const file = fileOf(config)
  switch (options.verb) {
    case 'create': {
      checkNames(config, options.key)
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

/** A key for what is not there would only ever be refused. */
function checkNames({ models, routes = {} }: RouterOptions, key: NewKey): void {
  const [allModels, allRoutes] = [Object.keys(models), Object.keys(routes)]
  refuseUnknown('--route', key.routes, [...allRoutes, ...allModels])
  refuseUnknown('--model', key.models, allModels)
}

function refuseUnknown(flag: string, given: readonly string[] = [], there: readonly string[]): void {
  const unknown = given.find((name) => !there.includes(name))
  if (unknown === undefined) return
  const expected = `${flag}: expected one of ${[...new Set(there)].join(', ')}`
  throw new SignalboxError('invalid_config', `${expected}, got ${JSON.stringify(unknown)}`)
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
