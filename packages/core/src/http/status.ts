import { SignalboxError } from '../errors.ts'
import type { Router } from '../router.ts'
import type { FaceAnswer, FaceRequest } from './contract.ts'

/** `GET status`: what the router knows of its models, for whom the host lets see it. */
export async function status(router: Router, request: FaceRequest): Promise<FaceAnswer> {
  if ((await request.authorise?.()) !== true) throw new SignalboxError('forbidden', 'The status is not for this caller')
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  return { status: 200, headers, body: Buffer.from(JSON.stringify(router.status())), cancel: () => undefined }
}
