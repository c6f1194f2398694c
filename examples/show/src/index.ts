export type { Providers } from './providers.ts'
export { type ExampleApp, runExample } from './run-example.ts'
