const signals = ['SIGTERM', 'SIGINT'] as const

/** The first signal that asks the process to end. A second one ends it at once, with exit code 1. */
export function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false
    const take = (signal: NodeJS.Signals) => {
      if (asked) process.exit(1)
      asked = true
      resolve(signal)
    }
    for (const signal of signals) process.on(signal, take)
  })
}
