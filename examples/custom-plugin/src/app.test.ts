import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pluginContract } from '@signalbox/testkit/plugin'
import { expect, it } from 'vitest'
import { frequentQuestions, language, pocketMoney } from './plugins.ts'

pluginContract(() => language)
pluginContract(() => frequentQuestions(['What is love?']))
pluginContract(() => pocketMoney(1))

it('labels, keeps and refuses as it says', { timeout: 60_000 }, async () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@signalbox/source', main])
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.replaceAll(/ +/g, ' '))
  expect(lines).toEqual([
    'blue What is 17 * 23? en -> western',
    'blue what is 17 * 23? en -> western, from the cache layer',
    'red What is 17 * 23? en -> western',
    'blue Xin chào, bạn khoẻ không? Đây là một câu hỏi. vi -> eastern',
    'blue Write a very long story. en -> budget_exceeded: The pocket money of the team "blue" is used up',
  ])
})
