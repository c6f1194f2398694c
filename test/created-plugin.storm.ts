import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runProgram } from './support/run-program.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** A copy of the workspace: the one at hand stays as it is. */
const copy = mkdtempSync(join(tmpdir(), 'signalbox-workspace-'))
const made = join(copy, 'packages/plugin-rate-card')
/** Each step installs, compiles or checks much. */
const timeoutMs = 300_000
const pnpm = (args: readonly string[], cwd: string) => runProgram('npx', ['--yes', 'pnpm@12', ...args], cwd)

beforeAll(async () => {
  const listed = await runProgram('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], root)
  for (const file of listed.split('\0').filter(Boolean)) cpSync(join(root, file), join(copy, file))
  await pnpm(['install', '--prefer-offline', '--frozen-lockfile'], copy)
  await pnpm(['create-plugin', 'rate-card'], copy)
  // Where `CI` is set, pnpm would keep to the lockfile, which knows nothing of the new package.
  await pnpm(['install', '--prefer-offline', '--no-frozen-lockfile'], copy)
}, timeoutMs)

afterAll(() => rmSync(copy, { recursive: true, force: true }))

describe('a plugin made in the workspace, untouched', () => {
  it('passes the linter, with all that was changed for it', { timeout: timeoutMs }, async () => {
    expect(await pnpm(['run', 'lint'], made)).toContain('Found 0 warnings and 0 errors.')
    const format = join(copy, 'node_modules/.bin/oxfmt')
    expect(await runProgram(format, ['--check', '.config', '.changeset'], copy)).toContain('All matched files')
  })

  it('passes the types of the whole workspace', { timeout: timeoutMs }, async () => {
    expect(await pnpm(['run', 'types'], made)).not.toContain('error TS')
  })

  it('passes its test and the contract of plugins', { timeout: timeoutMs }, async () => {
    expect(await pnpm(['run', 'test'], made)).toContain('14 passed, 0 failed')
  })

  it(
    'is like every other package: it is built, packed and checked, and nothing of it is unused',
    { timeout: timeoutMs },
    async () => {
      await pnpm(['build'], copy)
      await pnpm(['run', 'check'], made)
      await pnpm(['knip'], copy)
      const packages = await pnpm(
        ['exec', 'vitest', 'run', '-c', '.config/vitest.config.ts', 'test/packages.test.ts'],
        copy,
      )
      expect(packages).toMatch(/^[1-9]\d* passed, 0 failed$/m)
    },
  )
})
