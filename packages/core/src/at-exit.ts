const tasks = new Set<() => void>()

const runAll = () => tasks.forEach((task) => task())

/**
 * Runs a task when the process ends by itself, by `process.exit` or by an error: all of it at once, for nothing is waited for
 * then. What it gives takes the task back. One listener for all of them: Node warns of many.
 */
export function atExit(task: () => void): () => void {
  if (tasks.size === 0) process.on('exit', runAll)
  tasks.add(task)
  return function forget() {
    if (tasks.delete(task) && tasks.size === 0) process.off('exit', runAll)
  }
}
