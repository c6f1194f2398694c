// Three plugins of an application's own at work: `node src/main.ts`.
import { isSignalboxError } from '@signalbox/core'
import { startSimulatedProvider } from '@signalbox/testkit'
import { createAppRouter } from './router.ts'

const provider = await startSimulatedProvider()
const router = createAppRouter(provider.baseUrl)

for (const [team, content] of [
  ['blue', 'What is 17 * 23?'],
  ['blue', 'what is  17 * 23?'],
  ['red', 'What is 17 * 23?'],
  ['blue', 'Xin chào, bạn khoẻ không? Đây là một câu hỏi.'],
  ['blue', 'Write a very long story.'],
] as const) {
  const max = content.includes('story') ? 1_000_000 : 100
  const { record, reply } = router.begin({
    body: { model: 'auto', messages: [{ role: 'user', content }], max_tokens: max },
    identity: { team },
  })
  const outcome = await reply.then(
    ({ model }) => `${model}${record.attempts.length === 0 ? ', from the cache layer' : ''}`,
    (error: unknown) => (isSignalboxError(error) ? `${error.code}: ${error.message}` : String(error)),
  )
  console.log(`${team.padEnd(5)} ${content.padEnd(46)} ${record.labels['language']} -> ${outcome}`)
}

await router.close()
await provider.close()
