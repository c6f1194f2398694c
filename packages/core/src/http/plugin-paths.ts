import { SignalboxError, isSignalboxError } from '../errors.ts'
import { lowerCaseNames } from '../lower-case-names.ts'
import type { PluginAnswer, PluginPath } from '../plugin-edges.ts'
import type { Router } from '../router.ts'
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
  const { method, signal, header, body } = request
  try {
    return faceAnswer(await path.answer({ method, signal, header, body, identity, rest }))
  } catch (cause) {
    if (isSignalboxError(cause)) throw cause
    throw new SignalboxError('plugin_failed', `The plugin "${plugin}" failed to answer`, { plugin, cause })
  }
}

function faceAnswer({ status = 200, headers = {}, body }: PluginAnswer): FaceAnswer {
  const isContent = body instanceof Uint8Array || Symbol.asyncIterator in Object(body)
  const content = isContent ? (body as FaceAnswer['body']) : Buffer.from(isText(body) ? body : JSON.stringify(body))
  const type = isText(body) ? 'text/plain; charset=utf-8' : isContent ? 'application/octet-stream' : 'application/json'
  return {
    status,
    headers: { 'content-type': type, 'cache-control': 'no-store', ...lowerCaseNames(headers) },
    body: content,
    cancel: () => undefined,
  }
}

const isText = (body: unknown): body is string => typeof body === 'string'
