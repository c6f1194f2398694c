import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

/** What programs are started with: scripts that they run meet this very Node, and colour nothing. */
const environment = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
  NO_COLOR: '1',
  FORCE_COLOR: '0',
}

/** Runs a program to its end and gives what it printed. What it prints when it fails is in the error. */
export async function runProgram(program: string, args: readonly string[], cwd: string): Promise<string> {
  const options = { cwd, maxBuffer: 64 * 1024 * 1024, env: environment }
  const { stdout } = await promisify(execFile)(program, args, options).catch(
    (error: { stdout?: string; stderr?: string }) => {
      throw new Error(`${program} ${args.join(' ')}\n${error.stdout}\n${error.stderr}`, { cause: error })
    },
  )
  return stdout
}
