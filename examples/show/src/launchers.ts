import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** A process, as `ps` lists it. */
export interface ListedProcess {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

const isPackageManager = /\b(npm|npx|pnpm)\b/

/**
 * The processes between this one and the outermost npm or pnpm that started it. npm does not pass a signal that it gets
 * alone on to what it runs, so a program of many launchers looks after them itself.
 */
export function launchersOf(pid: number, processes: readonly ListedProcess[]): number[] {
  const byPid = new Map(processes.map((one) => [one.pid, one]))
  const ancestors: ListedProcess[] = []
  for (let one = byPid.get(pid); one && ancestors.length < 50; one = byPid.get(one.parent)) ancestors.push(one)
  const outermost = ancestors.findLastIndex(({ command }, at) => at > 0 && isPackageManager.test(command))
  return ancestors.slice(1, outermost + 1).map((one) => one.pid)
}

/** Calls `onLeft` once when one of the launchers has gone. Does not keep the process alive. */
export function watchLaunchers(onLeft: () => void): void {
  const launchers = launchersOf(process.pid, listProcesses())
  if (launchers.length === 0) return
  const timer = setInterval(() => {
    if (launchers.every(isAlive)) return
    clearInterval(timer)
    onLeft()
  }, 500).unref()
}

function listProcesses(): ListedProcess[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8', timeout: 2_000 })
  return (stdout ?? '').split('\n').flatMap((line) => {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    return pid ? [{ pid: Number(pid), parent: Number(parent), command }] : []
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Whether it has ended and only waits to be told of: its parent may be one that asks late. */
function isZombie(pid: number): boolean {
  const file = `/proc/${pid}/stat`
  return (
    existsSync(file) &&
    readFileSync(file, 'utf8')
      .replace(/^.*\) /s, '')
      .startsWith('Z')
  )
}
