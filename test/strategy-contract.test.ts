import { byBandit, byCascade, byComplexity, byRules, bySticky, byTier, heuristicClassifier } from '@signalbox/core'
import { strategyContract } from '@signalbox/testkit/plugin'

const router = { plugins: [heuristicClassifier()] }

for (const name of ['ordered', 'round-robin', 'weighted', 'least-latency', 'cheapest']) strategyContract(() => name)
strategyContract(() => byComplexity({ simple: ['b'], moderate: ['c', 'b'], complex: ['a'] }), { router })
strategyContract(() =>
  byTier({ tiers: { premium: { models: ['a'] } }, otherwise: { models: ['b', 'c'], strategy: 'weighted' } }),
)
strategyContract(() => byBandit({ arms: ['a', 'b', 'c'] }))
strategyContract(() => byCascade({ cheap: ['b', 'c'], strong: ['a'], verify: 'tools' }))
strategyContract(() => byCascade({ cheap: ['b'], strong: ['a', 'c'], verify: { use: 'agreement', with: 'c' } }))
strategyContract(() => bySticky({ strategy: 'least-latency' }))
strategyContract(() => bySticky({ strategy: 'round-robin' }))
strategyContract(
  () =>
    byRules({
      rules: [{ when: { labels: { task: 'code' } }, models: ['a', 'c'], strategy: 'round-robin' }],
      otherwise: ['b', 'c', 'a'],
    }),
  { router },
)
