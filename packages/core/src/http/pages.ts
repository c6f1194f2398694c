import { bufferOf } from '../buffer.ts'
import { instant } from '../config/schema/basics.ts'
import { isRecord, parseJson } from '../dialects/json.ts'
import { SignalboxError } from '../errors.ts'
import { type LedgerGroup, ledgerGroups } from '../ledger/types.ts'
import type { ReportQuery } from '../reports/types.ts'
import type { Router } from '../router.ts'
import type { FaceAnswer, FaceRequest } from './contract.ts'

/** `GET status`: what the router knows of its models, for whom the host lets see it. */
export async function status(router: Router, request: FaceRequest): Promise<FaceAnswer> {
  await authorised(request, 'The status is not for this caller')
  return json(router.status())
}

/** `GET costs?by=&from=&to=&user=...`: a report from the ledger, for whom the host lets see it. */
export async function costs(router: Router, request: FaceRequest): Promise<FaceAnswer> {
  await authorised(request, 'The costs are not for this caller')
  if (!router.ledger) throw new SignalboxError('not_found', 'No ledger is kept')
  const asked = new URLSearchParams((request.url ?? '').split('?', 2)[1] ?? '')
  return json(router.ledger.report(queryOf(asked)))
}

/** `POST feedback` with `{ "id", "score" }`: how good the answer of a call was, from whom the host lets say so. */
export async function feedback(router: Router, request: FaceRequest): Promise<FaceAnswer> {
  await authorised(request, 'Feedback is not for this caller to give')
  const { id, score } = fieldsOf(await request.body())
  return json(await router.feedback(id as string, score as number))
}

function fieldsOf(body: Uint8Array | object): Readonly<Record<string, unknown>> {
  const given = body instanceof Uint8Array ? parseJson(bufferOf(body).toString()) : body
  if (isRecord(given)) return given
  throw new SignalboxError('invalid_json', 'The body must be a JSON object with "id" and "score"')
}

async function authorised(request: FaceRequest, refusal: string): Promise<void> {
  if ((await request.authorise?.()) !== true) throw new SignalboxError('forbidden', refusal)
}

function json(value: object): FaceAnswer {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  return { status: 200, headers, body: Buffer.from(JSON.stringify(value)), cancel: () => undefined }
}

const filters = ['model', 'user', 'key', 'team', 'route', 'tag'] as const

/** What is misspelt, or given in vain, would be taken for counted. */
function checkNames(asked: URLSearchParams): void {
  const names = ['by', 'from', 'to', ...filters]
  for (const [name, value] of asked) {
    if (!names.includes(name)) throw wrong(name, `one of the parameters ${names.join(', ')}`, name)
    if (value === '') throw wrong(name, 'a value', value)
  }
}

function queryOf(asked: URLSearchParams): ReportQuery {
  checkNames(asked)
  const given = filters.flatMap((name) => (asked.has(name) ? [[name, asked.get(name)]] : []))
  return {
    ...(Object.fromEntries(given) as ReportQuery),
    ...(asked.has('by') && { by: groupOf(asked.get('by')!) }),
    ...(asked.has('from') && { from: timeOf('from', asked.get('from')!) }),
    ...(asked.has('to') && { to: timeOf('to', asked.get('to')!) }),
  }
}

function groupOf(text: string): LedgerGroup {
  const group = ledgerGroups.find((one) => one === text)
  if (group) return group
  throw wrong('by', `one of ${ledgerGroups.join(', ')}`, text)
}

function timeOf(param: string, text: string): number {
  if (instant.safeParse(text).success) return Date.parse(text)
  throw wrong(param, 'a time such as 2026-11-21T12:00Z', text)
}

const wrong = (param: string, expected: string, came: string) =>
  new SignalboxError('invalid_body', `${param}: expected ${expected}, got ${JSON.stringify(came.slice(0, 100))}`, {
    param,
  })
