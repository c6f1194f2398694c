import { defineConfig } from 'vitest/config'

const conditions = ['@signalbox/source', 'module', 'node', 'development|production']

/** Runs the tests of a plugin that was made outside the workspace, on the sources in it. */
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { include: ['src/**/*.test.ts'] },
})
