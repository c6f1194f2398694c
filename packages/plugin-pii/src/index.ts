import { definePlugin } from '@signalbox/core'
import { z } from 'zod'
import { detectors } from './detect.ts'
import { redactRequest } from './request.ts'
import { restoreReply } from './restore.ts'
import { searchFor } from './search.ts'
import { Vault } from './vault.ts'

export type { Detector, Kind } from './detect.ts'

/** The more certain ones first. */
const kinds = ['email', 'iban', 'card', 'ip', 'phone'] as const

const detector = z.strictObject({
  label: z.string().regex(/^\w+$/, 'expected letters, digits and underscores'),
  pattern: z.instanceof(RegExp),
  isOne: z.custom<(match: string) => boolean>((value) => typeof value === 'function', 'expected a function').optional(),
  mayHold: z.boolean().optional(),
})
const options = z
  .strictObject({
    kinds: z.array(z.enum(kinds)).optional(),
    further: z.array(detector).optional(),
    restores: z.boolean().optional(),
  })
  .optional()

/**
 * Takes e-mail addresses, phone and card numbers, IBANs and IP addresses out of what goes to a provider, and puts them back
 * into its answers, streams included. The provider reads `[EMAIL_1]` in their place.
 *
 * Options: `kinds`, those to take out (all of them); `further`, detectors of one's own; `restores`, whether answers get
 * them back (true).
 *
 * @example
 * createRouter({ models, plugins: [pii({ kinds: ['email', 'card'] })] })
 */
const pii = definePlugin({
  name: 'pii',
  options,
  create({ kinds: taken = kinds, further = [], restores = true } = {}) {
    const own = kinds.filter((kind) => taken.includes(kind)).map((kind) => detectors[kind])
    const all = [...further, ...own].map(searchFor)
    return {
      version: `4 ${taken.join(' ')} ${further.map(({ label, pattern }) => `${label}=${pattern}`).join(' ')}`,
      call: {
        stage: 'guard',
        enforce: 'post',
        async run(call, next) {
          let everything: string | undefined
          const vault = new Vault(all, () => (everything ??= JSON.stringify(call.request.body)))
          const request = redactRequest(call.request, vault)
          if (vault.isEmpty) return next(call)
          const reply = await next({ ...call, request })
          return restores ? restoreReply(reply, vault) : reply
        },
      },
    }
  },
})

export default pii
