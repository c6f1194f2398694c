/** Minified and zipped, without dependencies. Raise a limit on purpose only: it is what every application loads. */
export default [
  { path: 'dist/index.js', limit: '156 kB' },
  { path: 'dist/http/index.js', limit: '35 kB' },
].map((entry) => ({
  ...entry,
  gzip: true,
  modifyEsbuildConfig: (config) => ({ ...config, platform: 'node', packages: 'external' }),
}))
