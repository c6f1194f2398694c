import type { Request } from '../types.ts'
import type { TranslatedRequest } from '../dialects/translate.ts'
import { hasValue, list, record } from '../dialects/json.ts'
import type { JsonBody } from '../dialects/json-request.ts'
import { withThoughtSignatures } from './thought-signatures.ts'
import { withShortToolIds } from './tool-ids.ts'

/** Who runs an endpoint that is compatible with OpenAI's. */
export type VendorName = 'deepseek' | 'mistral' | 'groq' | 'ollama' | 'vllm' | 'openrouter' | 'azure' | 'gemini'

/** In what an endpoint differs from OpenAI's chat completions. All else goes to it as it came. */
export interface Quirks {
  /** Its hosts, by which it is known where the configuration does not name it. */
  readonly hosts?: RegExp
  /** Fields it has under another name. */
  readonly renames?: Readonly<Record<string, string>>
  /** Fields that it refuses, or does not heed, and that change the answer. */
  readonly lacks?: readonly string[]
  /** The same, but the answer is the same without them. */
  readonly refusesHints?: readonly string[]
  /** Fields of a message that it refuses. */
  readonly lacksInMessages?: readonly string[]
  /** Changes what it would refuse a model for another reason; undefined where there is nothing to change. */
  mend?(body: JsonBody, model: string): Mended | undefined
}

/** What has to be changed for an endpoint. */
export interface Mended {
  /** The fields with their new values; undefined for one that goes. */
  readonly patch: JsonBody
  /** What is left out by it. */
  readonly skipped?: readonly string[]
}

/** The fields in which a message may hold what a model thought. */
const thoughts = ['reasoning_content', 'reasoning', 'reasoning_details']

/**
 * Where it is known from stands behind each. Fields that an endpoint refuses would be a 400 or a 422 of the whole call,
 * one for a limit that it does not heed a bill without an end.
 */
const quirksOf: Readonly<Record<VendorName, Quirks>> = {
  // https://api-docs.deepseek.com/api/create-chat-completion: `max_tokens` only.
  deepseek: {
    hosts: /(^|\.)deepseek\.com$/,
    renames: { max_completion_tokens: 'max_tokens' },
    lacks: ['n', 'logit_bias', 'seed'],
  },
  // 422 `extra_forbidden`: mistralai/platform-docs-public#7, editor-code-assistant/eca#231, avante-corp/avante.nvim#2347,
  // Gitlawb/openclaude#739, OpenHands/OpenHands-CLI#83. It tells the usage of a stream unasked: TabbyML/tabby#4082.
  mistral: {
    hosts: /(^|\.)mistral\.ai$/,
    renames: { max_completion_tokens: 'max_tokens', seed: 'random_seed' },
    lacks: ['logit_bias', 'logprobs', 'top_logprobs'],
    refusesHints: [
      'stream_options',
      'store',
      'metadata',
      'user',
      'service_tier',
      'prompt_cache_key',
      'safety_identifier',
    ],
    // charmbracelet/crush#1590, Gage-Technologies/mistral-go#2: also what clients send back of an answer as it came.
    lacksInMessages: ['name', ...thoughts, 'refusal', 'annotations', 'audio', 'function_call'],
    mend: withShortToolIds,
  },
  // https://console.groq.com/docs/openai: 400 for each of these.
  groq: {
    hosts: /(^|\.)groq\.com$/,
    lacks: ['logit_bias', 'logprobs', 'top_logprobs', 'n'],
    // janhq/jan#8136, NousResearch/hermes-agent#11089: 400, `property 'reasoning_content' is unsupported`.
    lacksInMessages: ['name', 'reasoning_content', 'reasoning_details'],
  },
  // https://docs.ollama.com/api/openai-compatibility: what is not in its list is not heeded.
  ollama: { renames: { max_completion_tokens: 'max_tokens' }, lacks: ['n', 'logit_bias'] },
  vllm: {},
  openrouter: {},
  azure: {},
  gemini: { hosts: /(^|[.-])(generativelanguage|aiplatform)\.googleapis\.com$/, mend: withThoughtSignatures },
}

/** The quirks of an endpoint: those of the vendor that was named, or of the one whose host it is. */
export function quirksAt(hostname: string, vendor: VendorName | undefined): Quirks | undefined {
  if (vendor) return quirksOf[vendor]
  return Object.values(quirksOf).find(({ hosts }) => hosts?.test(hostname))
}

/** The request as an endpoint with quirks takes it for a model; undefined where nothing has to be changed. */
export function adapted(request: Request, quirks: Quirks, model: string): TranslatedRequest | undefined {
  const { body } = request
  const says = (field: string) => body[field] !== undefined && body[field] !== null && !isIdle(field, body[field])
  const lost = (quirks.lacks ?? []).filter(says)
  const skipped = (quirks.refusesHints ?? []).filter((field) => field in body)
  const patch: Record<string, unknown> = {}
  for (const field of quirks.lacks ?? []) if (field in body) patch[field] = undefined
  for (const field of skipped) patch[field] = undefined
  for (const [field, name] of Object.entries(quirks.renames ?? {})) {
    if (!(field in body)) continue
    patch[field] = undefined
    if (says(field)) patch[name] = body[field]
  }
  const refused = quirks.lacksInMessages ?? []
  const messages = withoutFields(body['messages'], refused)
  if (messages) patch['messages'] = messages
  const mended = quirks.mend?.({ ...body, ...patch }, model)
  Object.assign(patch, mended?.patch)
  skipped.push(...(mended?.skipped ?? []))
  if (Object.keys(patch).length === 0) return undefined
  const inMessages = list(messages && body['messages']).map(record)
  const dropped = refused.filter((field) => inMessages.some((one) => one['role'] !== 'tool' && tells(one[field])))
  const told = [...skipped, ...dropped.map((field) => `messages[].${field}`)]
  return { request: request.with(patch), lost, skipped: told.filter((field) => field !== 'stream_options') }
}

/** Whether there is anything in a field. */
const tells = (value: unknown) => hasValue(value) && value !== '' && !(Array.isArray(value) && value.length === 0)

/** Whether a field asks for nothing but what is so anyway. */
const isIdle = (field: string, value: unknown) =>
  value === false ||
  (field === 'n' && value === 1) ||
  (field === 'logit_bias' && Object.keys(record(value)).length === 0)

function withoutFields(messages: unknown, fields: readonly string[]): unknown[] | undefined {
  const has = (message: unknown) =>
    fields.some((field) => field in record(message) && record(message)['role'] !== 'tool')
  if (!list(messages).some(has)) return undefined
  return list(messages).map((message) =>
    has(message)
      ? Object.fromEntries(Object.entries(record(message)).filter(([field]) => !fields.includes(field)))
      : message,
  )
}
