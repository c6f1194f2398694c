import { randomUUID } from 'node:crypto'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, streamText } from 'ai'
import express, { type Request } from 'express'
import { path } from '../traffic.ts'
import type { ChatRequest } from './chat-request.ts'
import { type Place, backlog } from './place.ts'

/** Chat completions served by hand with the AI SDK, in Express. */
export function serve({ port, upstream }: Place): void {
  const provider = createOpenAICompatible({
    name: 'bench',
    baseURL: `${upstream}/v1`,
    apiKey: 'sk-bench',
    includeUsage: true,
  })
  const app = express().use(express.json({ limit: '10mb' }))
  // oxlint-disable-next-line oxc/no-async-endpoint-handlers -- Express 5 takes the promise
  app.post(path, async (req: Request<object, unknown, ChatRequest>, res) => {
    const { model, messages, temperature, max_tokens: maxOutputTokens, stream } = req.body
    const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1_000), model }
    const options = {
      model: provider(model),
      instructions: messages.flatMap(({ role, content }) => (role === 'system' ? [content] : [])).join('\n'),
      messages: messages.flatMap(({ role, content }) => (role === 'user' ? [{ role, content }] : [])),
      temperature,
      maxOutputTokens,
    }
    if (!stream) {
      const { text, usage } = await generateText(options)
      const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }]
      res.json({ ...head, object: 'chat.completion', choices, usage: usageOf(usage) })
      return
    }
    const send = (part: object) =>
      res.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...part })}\n\n`)
    const result = streamText(options)
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    for await (const content of result.textStream)
      send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
    send({ choices: [], usage: usageOf(await result.usage) })
    res.end('data: [DONE]\n\n')
  })
  app.listen(port, '127.0.0.1', backlog)
}

interface SdkUsage {
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
  readonly totalTokens: number | undefined
}

const usageOf = ({ inputTokens, outputTokens, totalTokens }: SdkUsage) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: totalTokens,
})
