import { modelNotFound } from '../call.ts'
import { dialects } from '../dialects/index.ts'
import type { Router } from '../router.ts'
import { tokensOf } from '../tokens/request.ts'
import type { FaceAnswer, FaceRequest } from './contract.ts'
import { identityOf } from './identity.ts'
import { json } from './resources.ts'

/**
 * `POST messages/count_tokens`: an estimate, made here whichever model may answer in the end. Anthropic calls its own
 * count an estimate too. It asks no provider and costs nothing. Of a picture or a document only that it is there counts.
 */
export async function countTokens(router: Router, request: FaceRequest): Promise<FaceAnswer> {
  const identity = await identityOf(router, request)
  const asked = dialects['anthropic-messages'].parse(await request.body())
  if (!router.names(identity).includes(asked.model)) throw modelNotFound(asked.model)
  const counted = json(200, { input_tokens: tokensOf(asked).inputTokens })
  return { ...counted, headers: { ...counted.headers, 'x-signalbox-estimated': 'true' } }
}
