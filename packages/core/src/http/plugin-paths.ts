import { SignalboxError, isSignalboxError } from '../errors.ts'
import type { PluginAnswer, PluginPath } from '../plugin-edges.ts'
import type { Router } from '../router.ts'
import type { FaceAnswer, FaceRequest, Resource } from './contract.ts'
import { identityOf } from './identity.ts'

/** What plugins answer, each below its own name. Without `pages`, that for operators is not there at all. */
export function pluginResources({ plugins }: Router, pages: boolean): Resource[] {
  return plugins.flatMap(({ name, paths = [] }) =>
    paths.filter(({ access }) => pages || access === 'caller').map((path) => resourceOf(name, path)),
  )
}

function resourceOf(plugin: string, path: PluginPath): Resource {
  const below = path.path.endsWith('/*')
  const own = `/plugins/${plugin}${below ? path.path.slice(0, -2) : path.path}`.replace(/\/$/, '')
  return {
    method: path.method ?? 'GET',
    path: new RegExp(`^${own.replaceAll(/[^\w/-]/g, '\\$&')}${below ? '(?:/(.*))?' : ''}$`),
    answer: (request, _id, rest) => answerPath(plugin, path, request, rest),
  }
}

async function answerPath(plugin: string, path: PluginPath, request: FaceRequest, rest: string): Promise<FaceAnswer> {
  if (path.access !== 'caller' && (await request.authorise?.()) !== true)
    throw new SignalboxError('forbidden', 'This page is not for this caller')
  const { method, signal, header, body } = request
  const identity = await identityOf(request)
  try {
    return faceAnswer(await path.answer({ method, signal, header, body, identity, rest }))
  } catch (cause) {
    if (isSignalboxError(cause)) throw cause
    throw new SignalboxError('plugin_failed', `The plugin "${plugin}" failed to answer`, { plugin, cause })
  }
}

function faceAnswer({ status = 200, headers, body }: PluginAnswer): FaceAnswer {
  const isContent = body instanceof Uint8Array || Symbol.asyncIterator in Object(body)
  const content = isContent ? (body as FaceAnswer['body']) : Buffer.from(isText(body) ? body : JSON.stringify(body))
  const type = isText(body) ? 'text/plain; charset=utf-8' : isContent ? 'application/octet-stream' : 'application/json'
  return {
    status,
    headers: { 'content-type': type, 'cache-control': 'no-store', ...headers },
    body: content,
    cancel: () => undefined,
  }
}

const isText = (body: unknown): body is string => typeof body === 'string'
