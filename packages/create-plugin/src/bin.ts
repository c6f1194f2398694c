#!/usr/bin/env node
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { createPlugin } from './create-plugin.ts'

const usage = 'npm create @signalbox/plugin NAME, such as "region" or "@team/region"'

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { workspace: { type: 'boolean', default: false } },
  })
  const [name, stray] = positionals
  if (name === undefined || stray !== undefined) throw new Error(`expected one name: ${usage}`)
  const folder = createPlugin({ name, into: process.cwd(), workspace: values.workspace })
  console.log(
    `made ${relative(process.cwd(), folder)}\nnext: ${values.workspace ? 'pnpm install' : `cd ${relative(process.cwd(), folder)} && npm install && npm test`}`,
  )
} catch (error) {
  console.error(`create-plugin: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 2
}
