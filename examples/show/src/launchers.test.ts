import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { launchersOf } from './launchers.ts'

const shell = [
  { pid: 1, parent: 0, command: '/sbin/init' },
  { pid: 10, parent: 1, command: '-bash' },
]

it('finds everything up to the outermost package manager, and nothing above it', () => {
  const processes = [
    ...shell,
    { pid: 20, parent: 10, command: 'npm exec pnpm@12 start' },
    { pid: 30, parent: 20, command: 'sh -c -- pnpm start' },
    { pid: 40, parent: 30, command: 'pnpm start' },
    { pid: 50, parent: 40, command: 'sh -c node src/main.ts' },
    { pid: 60, parent: 50, command: 'node src/main.ts' },
  ]
  expect(launchersOf(60, processes)).toEqual([50, 40, 30, 20])
})

it('finds none where a shell started the program', () => {
  expect(launchersOf(60, [...shell, { pid: 60, parent: 10, command: 'node src/main.ts' }])).toEqual([])
})

it('tells when a package manager was killed that passed no signal on', { timeout: 20_000 }, async () => {
  const module = JSON.stringify(import.meta.resolve('./launchers.ts'))
  const watching = `import { watchLaunchers } from ${module}
    watchLaunchers(() => process.exit())
    setInterval(() => undefined, 1_000)
    console.log('watching')`
  const launching = `require('node:child_process').spawn(process.execPath, ['-e', process.argv[1]], { stdio: 'inherit' })`
  const launcher = spawn(process.execPath, ['-e', launching, watching, 'pnpm'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(launcher.stdout, 'data')
  launcher.kill('SIGKILL')
  // The pipe ends with the last process that holds it.
  await expect(once(launcher.stdout, 'end')).resolves.toEqual([])
})
