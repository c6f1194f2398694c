#!/usr/bin/env node
import { run } from './run.ts'
import { fail } from './terminal.ts'

// Who reads the output may have read enough, as `head` does.
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') process.exit(0)
  fail(`the output cannot be written: ${message}`)
  process.exit(1)
})
process.exitCode = await run(process.argv.slice(2))
