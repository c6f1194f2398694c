import { type LiftOptions, classifier } from '../lifts.ts'
import type { Plugin } from '../plugin.ts'
import { heuristicLabels } from './heuristic.ts'

/**
 * A classifier that labels calls `task`, `complexity` and `expectedLength` by {@link heuristicLabels}, where no label of
 * that name stands already. A baseline: see its warning.
 *
 * @example
 * createRouter({ models, plugins: [heuristicClassifier()] })
 */
export function heuristicClassifier(options: LiftOptions = {}): Plugin {
  return classifier('heuristic', (call) => ({ ...heuristicLabels(call.request), ...call.labels }), options)
}
