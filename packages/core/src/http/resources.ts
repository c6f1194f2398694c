import { modelNotFound } from '../call.ts'
import type { Router } from '../router.ts'
import type { FaceAnswer, FaceRequest } from './contract.ts'
import { identityOf } from './identity.ts'

/** `GET models`: every name this caller may ask for, in OpenAI's shape. */
export async function models(router: Router, request: FaceRequest): Promise<FaceAnswer> {
  return json(200, { object: 'list', data: router.names(await identityOf(router, request)).map(modelObject) })
}

/** `GET models/:id`: one of them. */
export async function modelByName(router: Router, request: FaceRequest, parameter: string): Promise<FaceAnswer> {
  const name = decoded(parameter)
  if (!router.names(await identityOf(router, request)).includes(name)) throw modelNotFound(name)
  return json(200, modelObject(name))
}

/** `GET health`: whether the process lives, and whether it takes calls. A load balancer asks `health/ready`. */
export function health(router: Router, part: string): FaceAnswer {
  const { ready } = router
  if (part === 'live') return json(200, { status: 'ok', live: true })
  return json(ready ? 200 : 503, { status: ready ? 'ok' : 'shutting_down', live: true, ready })
}

const modelObject = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'signalbox' })

function json(status: number, value: object): FaceAnswer {
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
