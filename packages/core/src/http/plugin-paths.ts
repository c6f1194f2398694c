import { SignalboxError, isSignalboxError } from '../errors.ts'
import { lowerCaseNames } from '../lower-case-names.ts'
import type { PluginAnswer, PluginPath } from '../hooks/plugin-edges.ts'
import type { Router } from '../router.ts'
import { streamOf } from '../reply.ts'
import { faultOfHead } from './answer-head.ts'
import type { FaceAnswer, FaceRequest, Resource } from './contract.ts'
import type { Identity } from '../types.ts'
import { hostsIdentity, identityOf } from './identity.ts'

/** What plugins answer, each below its own name. Without `pages`, that for operators is not there at all. */
export function pluginResources(router: Router, pages: boolean): Resource[] {
  return router.plugins.flatMap(({ name, paths = [] }) =>
    paths.filter(({ access }) => pages || access === 'caller').map((path) => resourceOf(router, name, path)),
  )
}

function resourceOf(router: Router, plugin: string, path: PluginPath): Resource {
  const below = path.path.endsWith('/*')
  const own = `/plugins/${plugin}${below ? path.path.slice(0, -2) : path.path}`.replace(/\/$/, '')
  return {
    method: path.method ?? 'GET',
    path: new RegExp(`^${own.replaceAll(/[^\w/-]/g, '\\$&')}${below ? '(?:/(.*))?' : ''}$`),
    answer: async (request, _id, rest) => {
      if (path.access === 'caller')
        return answerPath(plugin, path, { request, rest, identity: await identityOf(router, request) })
      if ((await request.authorise?.()) !== true)
        throw new SignalboxError('forbidden', 'This page is not for this caller')
      return answerPath(plugin, path, { request, rest, identity: (await hostsIdentity(request)) ?? {} })
    },
  }
}

/** A request for a plugin's path, and who sends it. */
interface Asked {
  readonly request: FaceRequest
  readonly rest: string
  readonly identity: Identity
}

async function answerPath(plugin: string, path: PluginPath, { request, rest, identity }: Asked): Promise<FaceAnswer> {
  const { method, signal } = request
  const header = (name: string) => request.header(name)
  const query = new URLSearchParams((request.url ?? '').split('?', 2)[1])
  let sent: ReturnType<FaceRequest['body']> | undefined
  const body = () => (sent ??= request.body())
  try {
    return faceAnswer(await path.answer({ method, signal, header, body, identity, rest, query }))
  } catch (cause) {
    if (isSignalboxError(cause)) throw cause
    throw new SignalboxError('plugin_failed', `The plugin "${plugin}" failed to answer`, { plugin, cause })
  }
}

/** @throws TypeError for what is no answer */
function faceAnswer({ status = 200, headers = {}, body }: PluginAnswer): FaceAnswer {
  const named = lowerCaseNames(headers)
  const fault = faultOfHead(status, named)
  if (fault) throw new TypeError(`It is no answer: ${fault}`)
  const { type, ...content } = contentOf(body)
  return { status, headers: { 'content-type': type, 'cache-control': 'no-store', ...named }, ...content }
}

interface Content extends Pick<FaceAnswer, 'body' | 'cancel'> {
  readonly type: string
}

function contentOf(body: PluginAnswer['body']): Content {
  if (typeof body === 'string') return { type: 'text/plain; charset=utf-8', body: Buffer.from(body), cancel: nothing }
  if (body instanceof Uint8Array) return { type: bytes, body, cancel: nothing }
  if (!(Symbol.asyncIterator in Object(body)))
    return { type: 'application/json', body: Buffer.from(JSON.stringify(body)), cancel: nothing }
  const pieces = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  // A caller who leaves ends the iteration, wherever it stands.
  const cancel = () => void pieces.return?.().catch(nothing)
  return { type: bytes, body: streamOf({ [Symbol.asyncIterator]: () => pieces }), cancel }
}

const bytes = 'application/octet-stream'
const nothing = () => undefined
