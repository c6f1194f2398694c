import type { DialectName } from '../types.ts'
import type { Dialect } from './dialect.ts'
import { anthropicMessages } from './anthropic-messages/index.ts'
import { openaiChat } from './openai-chat/index.ts'
import { openaiEmbeddings } from './openai-embeddings/index.ts'
import { openaiResponses } from './openai-responses/index.ts'

/** Every dialect by its name. A new one is a folder here and a line in this table. */
export const dialects: Readonly<Record<DialectName, Dialect>> = {
  'openai-chat': openaiChat,
  'anthropic-messages': anthropicMessages,
  'openai-responses': openaiResponses,
  'openai-embeddings': openaiEmbeddings,
}
