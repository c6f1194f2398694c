#!/usr/bin/env node
import { run } from './run.ts'
import { fail } from './terminal.ts'

// Who reads the output may have read enough, as `head` does.
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') process.exit(0)
  fail(`the output cannot be written: ${message}`)
  process.exit(1)
})
// A server goes on where nobody can be told: its log is often the same file, on the same full disk.
process.stderr.on('error', () => undefined)
process.exitCode = await run(process.argv.slice(2))
