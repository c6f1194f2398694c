#!/usr/bin/env node
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { createPlugin } from './create-plugin.ts'

const usage = 'npm create @signalbox/plugin NAME, such as "region" or "@team/region"'

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { workspace: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) console.log(usage)
  else make(positionals, values.workspace)
} catch (error) {
  console.error(`create-plugin: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 2
}

function make([name, stray]: readonly string[], workspace: boolean): void {
  if (name === undefined || stray !== undefined) throw new Error(`expected one name: ${usage}`)
  const folder = relative(process.cwd(), createPlugin({ name, into: process.cwd(), workspace }))
  console.log(`made ${folder}\nnext: ${workspace ? 'pnpm install' : `cd ${folder} && npm install && npm test`}`)
}
