import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Manifest {
  name: string
  exports: Record<string, string | Record<string, string>>
}

const entries = globSync('packages/*/package.json', { cwd: root })
  .toSorted()
  .flatMap((file) => {
    const manifest: Manifest = JSON.parse(readFileSync(join(root, file), 'utf8'))
    return Object.entries(manifest.exports).flatMap(([path, target]) =>
      typeof target === 'string'
        ? []
        : [{ name: join(manifest.name, path), source: join(root, dirname(file), target['@signalbox/source']!) }],
    )
  })

describe.each(entries)('$name', ({ source }) => {
  it('exports the names that the snapshot lists, which are public interface', async () => {
    const values = Object.keys((await import(source)) as object).toSorted()
    const types = exportedTypes(readFileSync(source, 'utf8')).toSorted()
    expect({ values, types }).toMatchSnapshot()
  })
})

/** The types that an index file exports: by name from other files, or declared in it. */
function exportedTypes(source: string): string[] {
  const lists = source.matchAll(/^export (type )?\{([^}]*)\}/gm)
  const listed = [...lists].flatMap(([, all, names = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && (all !== undefined || name.startsWith('type ')))
      .map((name) => name.replace(/^type /, '')),
  )
  const declared = [...source.matchAll(/^export (?:interface|type) (\w+)/gm)].map(([, name = '']) => name)
  return [...listed, ...declared]
}
