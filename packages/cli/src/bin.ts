#!/usr/bin/env node
import { run } from './run.ts'

// Who reads the output may have read enough, as `head` does.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : 1))
process.exitCode = await run(process.argv.slice(2))
