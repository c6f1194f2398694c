import { type Plugin, type StoredAnswer, SignalboxError, budgetGuard, cacheLayer, classifier } from '@signalbox/core'

/** A classifier: says what language a prompt is in, by the letters that only it has. */
export const language = classifier('language', ({ request }) => {
  const letters: Readonly<Record<string, RegExp>> = { vi: /[ăđơưạảấầẩẫậ]/i, de: /[äöüß]/i, ja: /[\u3040-\u30ff]/ }
  const found = Object.keys(letters).find((name) => letters[name]!.test(request.text))
  return { language: found ?? 'en' }
})

/** A cache layer: keeps the answers to frequent questions for the whole team, whatever the case and the spaces. */
export function frequentQuestions(questions: readonly string[]): Plugin {
  const answers = new Map<string, StoredAnswer>()
  const frequent = new Set(questions.map(plainly))
  return cacheLayer('frequent-questions', {
    get: ({ request, identity }) => answers.get(`${identity.team ?? ''} ${plainly(request.text)}`),
    set({ request, identity }, answer) {
      const question = plainly(request.text)
      if (frequent.has(question)) answers.set(`${identity.team ?? ''} ${question}`, answer)
    },
  })
}

/** A budget guard: so many dollars for each team, and no attempt that could cost more than is left. */
export function pocketMoney(limitUsd: number): Plugin {
  const limit = limitUsd * 1e9
  const used = new Map<string, number>()
  return budgetGuard('pocket-money', {
    hold({ call }, boundNanoUsd = Infinity) {
      const team = call.identity.team ?? 'nobody'
      const before = used.get(team) ?? 0
      if (before + boundNanoUsd > limit)
        throw new SignalboxError('budget_exceeded', `The pocket money of the team "${team}" is used up`)
      used.set(team, before + boundNanoUsd)
      return { team, boundNanoUsd }
    },
    settle({ team, boundNanoUsd }, costNanoUsd = boundNanoUsd) {
      used.set(team, used.get(team)! - boundNanoUsd + costNanoUsd)
    },
  })
}

const plainly = (text: string) => text.toLowerCase().replaceAll(/\s+/g, ' ').trim()
