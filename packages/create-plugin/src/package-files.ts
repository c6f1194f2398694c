import { readFileSync } from 'node:fs'
import type { PluginNames } from './names.ts'

interface Manifest {
  readonly version: string
  readonly devDependencies: Readonly<Record<string, string>>
}

const own = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Manifest

/** What a package needs that stands by itself, by file. */
export function packageFiles(names: PluginNames): Readonly<Record<string, string>> {
  return {
    'package.json': json(manifest(names)),
    'tsconfig.json': json(types),
    'tsconfig.build.json': json(build),
    '.gitignore': 'node_modules\ndist\n',
  }
}

function manifest({ package: name, description }: PluginNames): object {
  return {
    name,
    version: '0.1.0',
    description,
    keywords: ['signalbox-plugin'],
    license: 'MIT',
    files: ['dist'],
    type: 'module',
    sideEffects: false,
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
    scripts: {
      build: 'tsc -p tsconfig.build.json',
      test: 'vitest run',
      lint: 'oxlint --deny-warnings',
      types: 'tsc',
      prepack: 'npm run build',
    },
    devDependencies: {
      '@signalbox/core': `^${own.version}`,
      '@signalbox/testkit': `^${own.version}`,
      ...own.devDependencies,
    },
    peerDependencies: { '@signalbox/core': `^${own.version}` },
    engines: { node: '>=22.19' },
  }
}

const types = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2024'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
    rewriteRelativeImportExtensions: true,
    skipLibCheck: true,
    noEmit: true,
  },
  include: ['src'],
}

const build = {
  extends: './tsconfig.json',
  compilerOptions: {
    noEmit: false,
    declaration: true,
    sourceMap: true,
    inlineSources: true,
    rootDir: 'src',
    outDir: 'dist',
  },
  exclude: ['src/**/*.test.ts'],
}

const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`
