import { writeFileSync } from 'node:fs'
import { configJsonSchema } from '../src/config/schema.ts'

writeFileSync(new URL('../schema.json', import.meta.url), `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`)
