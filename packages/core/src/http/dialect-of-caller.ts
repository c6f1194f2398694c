import type { DialectName } from '../types.ts'
import type { FaceRequest } from './contract.ts'

/** The dialect of who asks at a path that all share: Anthropic's clients say which version of it they speak. */
export function dialectOfCaller(request: Pick<FaceRequest, 'header'>): DialectName {
  return request.header('anthropic-version') === undefined ? 'openai-chat' : 'anthropic-messages'
}
