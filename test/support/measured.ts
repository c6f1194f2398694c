import { writeSync } from 'node:fs'

/** Where a process that begins with this file says what it took. */
export const measuredDescriptor = 3

/** What a process took. */
export interface Measured {
  readonly cpuMs: number
  readonly wallMs: number
  readonly peakMib: number
}

process.on('exit', () => {
  const { user, system } = process.cpuUsage()
  const measured: Measured = {
    cpuMs: Math.round((user + system) / 1_000),
    wallMs: Math.round(performance.now()),
    peakMib: Math.round(process.resourceUsage().maxRSS / 1_024),
  }
  try {
    writeSync(measuredDescriptor, JSON.stringify(measured))
  } catch {
    // Nobody asked.
  }
})
