import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** Processor time that a process has used with all its threads, in microseconds. Linux only. */
export function cpuMicroseconds(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) nanoseconds += threadNanoseconds(pid, thread)
  return nanoseconds / 1_000
}

function threadNanoseconds(pid: number, thread: string): number {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10)
  } catch {
    return 0
  }
}

/** Memory of a process that is in RAM, in KB. Linux only. */
export function residentKilobytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])
}

/** Ticks of 10 ms that the machine was busy, for whomever. */
export function busyTicks(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .map(Number)
  return user! + nice! + system! + irq! + softirq! + steal!
}

/** Ticks of 10 ms that a process used, with `ended` those of its children that have ended. */
export function processTicks(pid: number | 'self', ended = false): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const sum = (from: number, to: number) => fields.slice(from, to).reduce((total, field) => total + Number(field), 0)
  return sum(11, ended ? 15 : 13)
}

/** Whether a command is installed. */
export function hasCommand(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** How many processors there are. */
export const processors = availableParallelism()
