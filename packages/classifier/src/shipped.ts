import { readFileSync } from 'node:fs'
import { parseProfile } from './profile.ts'
import type { Profile } from './types.ts'

let shipped: Profile | undefined

/**
 * The profile that ships: trained on public results of some 50 models of 2023 and 2024 (see the README for the
 * sources). It labels prompts as it is; for models of today say which it knows is most like them.
 *
 * @example
 * shippedProfile().rank(prompt, [{ model: 'gpt-4.1', like: 'gpt-4o-2024-08-06', costUsd: 0.004 }, ...])
 */
export function shippedProfile(): Profile {
  shipped ??= parseProfile(JSON.parse(readFileSync(new URL('../weights/shipped.json', import.meta.url), 'utf8')))
  return shipped
}
