import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PluginNames, namesOf, renamed } from './names.ts'
import { packageFiles } from './package-files.ts'

/** What to make, and where. */
export interface CreateOptions {
  /** Such as `region`; outside the workspace also `@team/region`. */
  readonly name: string
  /** The folder that it is made in; the root of the workspace. */
  readonly into: string
  /** Whether it becomes a package of Signalbox's own workspace. */
  readonly workspace: boolean
}

const template = dirname(fileURLToPath(import.meta.resolve('@signalbox/plugin-hello/package.json')))
const sources = ['src/index.ts', 'src/index.test.ts']

/**
 * Makes a plugin that works, from the smallest one: its types, a test, a README; in the workspace a changeset and its line
 * in the build, outside a project of its own. Gives its folder.
 *
 * @throws Error for a name that no plugin can have, or a folder that is there already
 */
export function createPlugin({ name, into, workspace }: CreateOptions): string {
  const names = namesOf(name, workspace)
  const folder = join(into, workspace ? `packages/plugin-${names.plugin}` : names.folder)
  if (existsSync(folder)) throw new Error(`${folder} is there already`)
  mkdirSync(join(folder, 'src'), { recursive: true })
  for (const file of sources) write(folder, file, renamed(read(file), names))
  write(folder, 'README.md', readme(names, workspace))
  if (workspace) enterWorkspace(into, folder, names)
  else for (const [file, text] of Object.entries(packageFiles(names))) write(folder, file, text)
  return folder
}

function enterWorkspace(root: string, folder: string, names: PluginNames): void {
  cpSync(join(template, 'LICENSE'), join(folder, 'LICENSE'))
  write(folder, 'tsconfig.build.json', read('tsconfig.build.json'))
  const manifest = read('package.json').replace(/"description": ".*"/, `"description": "${names.description}"`)
  write(folder, 'package.json', renamed(manifest, names).replace(',\n    "src"', ''))
  write(
    root,
    `.changeset/plugin-${names.plugin}.md`,
    `---\n'${names.package}': minor\n---\n\nAdd \`${names.package}\`.\n`,
  )
  const build = join(root, '.config/tsconfig.build.json')
  const { references, ...rest } = JSON.parse(readFileSync(build, 'utf8')) as { references: { path: string }[] }
  const all = [...references, { path: `../packages/plugin-${names.plugin}/tsconfig.build.json` }]
  const lines = all
    .toSorted((one, other) => (one.path < other.path ? -1 : 1))
    .map(({ path }) => `    { "path": "${path}" }`)
  const head = JSON.stringify(rest, undefined, 2).replace(/\n}$/, '').replace(/\[\]/g, '[]')
  writeFileSync(build, `${head},\n  "references": [\n${lines.join(',\n')}\n  ]\n}\n`)
}

function readme(names: PluginNames, workspace: boolean): string {
  const [about = ''] = read('README.md').split('\n## Writing your own')
  const text = renamed(about, names).replace(
    /^The smallest .*$/m,
    `${names.description} A plugin for [Signalbox](https://www.npmjs.com/package/@signalbox/core).`,
  )
  return workspace
    ? text
    : `${text}\n## Development\n\n\`npm test\` runs its tests, \`npm run types\` and \`npm run lint\` check it, \`npm publish\` builds and publishes it.\n`
}

const read = (file: string) => readFileSync(join(template, file), 'utf8')

function write(folder: string, file: string, text: string): void {
  writeFileSync(join(folder, file), text)
}
