import { modelNotFound } from '../call.ts'
import type { Router } from '../router.ts'
import type { FaceAnswer, FaceRequest } from './contract.ts'
import { dialectOfCaller } from './dialect-of-caller.ts'
import { identityOf } from './identity.ts'

/** `GET models`: every name this caller may ask for, in the shape of the caller's dialect. */
export async function models(router: Router, request: FaceRequest): Promise<FaceAnswer> {
  const names = router.names(await identityOf(router, request))
  if (dialectOfCaller(request) === 'openai-chat') return json(200, { object: 'list', data: names.map(openaiModel) })
  const page = { has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null }
  return json(200, { data: names.map(anthropicModel), ...page })
}

/** `GET models/:id`: one of them. */
export async function modelByName(router: Router, request: FaceRequest, parameter: string): Promise<FaceAnswer> {
  const name = decoded(parameter)
  if (!router.names(await identityOf(router, request)).includes(name)) throw modelNotFound(name)
  return json(200, dialectOfCaller(request) === 'openai-chat' ? openaiModel(name) : anthropicModel(name))
}

/** `GET health`: whether the process lives, and whether it takes calls. A load balancer asks `health/ready`. */
export function health(router: Router, part: string): FaceAnswer {
  const { ready } = router
  if (part === 'live') return json(200, { status: 'ok', live: true })
  return json(ready ? 200 : 503, { status: ready ? 'ok' : 'shutting_down', live: true, ready })
}

const openaiModel = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'signalbox' })
const anthropicModel = (id: string) => ({ type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' })

/** A JSON answer that nobody keeps. */
export function json(status: number, value: object): FaceAnswer {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  return { status, headers, body: Buffer.from(JSON.stringify(value)), cancel: () => undefined }
}

function decoded(parameter: string): string {
  try {
    return decodeURIComponent(parameter)
  } catch {
    return parameter
  }
}
