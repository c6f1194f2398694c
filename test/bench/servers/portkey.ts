import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Place } from './place.ts'

/** Portkey's gateway, started as its own command starts it. Its configuration comes with each request. */
export async function serve({ port }: Place): Promise<void> {
  process.argv.push(`--port=${port}`, '--headless')
  const manifest = fileURLToPath(import.meta.resolve('@portkey-ai/gateway/package.json'))
  await import(pathToFileURL(join(dirname(manifest), 'build/start-server.js')).href)
}
