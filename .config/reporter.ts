import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule, TestRunEndReason, Vitest } from 'vitest/node'

interface Counts {
  passed: number
  failed: number
  skipped: number
}

/** Prints `N passed, N failed` as the very last line of a run, and fails a run in which no test was run. */
export default class CountReporter implements Reporter {
  #vitest: Vitest | undefined
  #counts: Counts = { passed: 0, failed: 0, skipped: 0 }

  onInit(vitest: Vitest) {
    this.#vitest = vitest
    // At exit, because coverage and close-down warnings are printed after the run has ended.
    process.once('exit', () => this.#print())
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[], reason: TestRunEndReason) {
    this.#counts = count(modules)
    this.#counts.failed += errors.length
    if (reason === 'interrupted') process.exitCode ||= 1
  }

  #print() {
    const { passed, failed, skipped } = this.#counts
    const nothingRan = passed + failed === 0 && !this.#vitest?.config.passWithNoTests
    if (failed > 0 || nothingRan) process.exitCode ||= 1
    writeSync(1, `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
  }
}

function count(modules: readonly TestModule[]): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const module of modules) {
    for (const test of module.children.allTests()) counts[stateOf(test.result().state)]++
    // A file that does not load and a hook that throws fail without a failing test.
    for (const suite of [module, ...module.children.allSuites()]) if (suite.errors().length > 0) counts.failed++
  }
  return counts
}

const stateOf = (state: string) => (state === 'passed' || state === 'failed' ? state : 'skipped')
