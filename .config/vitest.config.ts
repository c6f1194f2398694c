import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))
const conditions = ['@signalbox/source', 'module', 'node', 'development|production']

/** `vitest run` runs `*.test.ts`, `vitest run --mode storm` runs `*.storm.ts`. */
export default defineConfig(({ mode }) => ({
  root,
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    reporters: ['default', fileURLToPath(new URL('reporter.ts', import.meta.url))],
    pool: 'threads',
    maxWorkers: 2,
    // Files share a worker and what they import: to read it all again for each of 200 files is a third of the work. So no
    // helper registers hooks when it is imported, and no test leaves anything behind. Storms measure memory: none shares.
    isolate: mode === 'storm',
    // Programs that tests start read hundreds of files: compiled once for all of them, each starts in a fifth of the time.
    env: { NODE_COMPILE_CACHE: `${root}node_modules/.cache/node` },
    // Only what never ends takes so long: on a busy machine a right test can take seconds.
    testTimeout: 60_000,
    ...(mode === 'storm' && { fileParallelism: false, testTimeout: 300_000 }),
    coverage: { include: ['packages/*/src/**'], exclude: ['**/*.{test,storm}.ts'] },
    include: [mode === 'storm' ? '**/*.storm.ts' : '**/*.test.ts'],
  },
}))
