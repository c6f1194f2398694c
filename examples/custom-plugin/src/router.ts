import { type RankFunction, type Router, createRouter, openaiCompatible } from '@signalbox/core'
import { frequentQuestions, language, pocketMoney } from './plugins.ts'

/** Sends a call to the model that knows its language best. */
const byLanguage: RankFunction = ({ labels }, candidates) =>
  candidates.toSorted(
    (one, other) => Number(other.tags.includes(labels['language']!)) - Number(one.tags.includes(labels['language']!)),
  )

/** A router with a classifier, a cache layer and a budget guard of the application's own. */
export function createAppRouter(baseUrl: string): Router {
  const model = (name: string, tags: readonly string[]) =>
    openaiCompatible({ baseUrl, model: name, apiKey: 'any', tags: [...tags], price: { input: 2, output: 8 } })
  return createRouter({
    models: { western: model('gpt-4.1', ['en', 'de']), eastern: model('deepseek-v3.2', ['vi', 'ja']) },
    routes: { auto: { strategy: byLanguage, models: ['western', 'eastern'] } },
    plugins: [language, frequentQuestions(['What is 17 * 23?']), pocketMoney(0.25)],
  })
}
