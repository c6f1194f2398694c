import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = '@signalbox/source'

interface Manifest {
  name: string
  type: string
  license: string
  sideEffects: boolean
  engines: { node: string }
  exports: Record<string, Record<string, string> | string>
  publishConfig: { exports: unknown }
  scripts: Record<string, string>
}

const manifests = globSync('packages/*/package.json', { cwd: root }).map((file) => {
  const manifest: Manifest = JSON.parse(readFileSync(join(root, file), 'utf8'))
  return { name: manifest.name, folder: join(root, dirname(file)), manifest }
})

describe.each(manifests)('$name', ({ folder, manifest }) => {
  it('is ESM only, free of side effects, licensed, and asks for the supported Node', () => {
    expect(manifest).toMatchObject({
      type: 'module',
      sideEffects: false,
      license: 'MIT',
      engines: { node: '>=22.19' },
    })
    expect(existsSync(join(folder, 'LICENSE'))).toBe(true)
  })

  it('has the scripts every package has', () => {
    expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(['build', 'test', 'lint', 'types']))
  })

  it('exports files that exist', () => {
    const sources = Object.values(manifest.exports).map((entry) => (typeof entry === 'string' ? entry : entry[source]))
    for (const file of sources) expect(existsSync(join(folder, String(file))), file).toBe(true)
  })

  it('publishes the same exports without the source condition', () => {
    const published = JSON.parse(JSON.stringify(manifest.exports, (key, value) => (key === source ? undefined : value)))
    expect(manifest.publishConfig.exports).toEqual(published)
  })
})

it('runs on the Node that the workspace brings along', () => {
  expect(process.version).toMatch(/^v24\./)
})
