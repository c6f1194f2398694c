import type { Proof } from './neutral.ts'

/** Begins every proof that is written in a field which another dialect has for its own. */
const mark = 'signalbox.'

/** A proof for a field of `owner`'s: its own as it is, another's marked with whose it is. */
export function sealed(proof: Proof | undefined, owner: string): string {
  if (!proof) return `${mark}none`
  return proof.of === owner ? proof.data : marked(proof)
}

/** A proof with whose it is, and with its id. */
export const marked = ({ of, kind, id = '', data }: Proof): string =>
  `${mark}${of}.${kind}.${Buffer.from(id).toString('base64url')}.${data}`

/** The proof that stands in a field of `owner`'s. */
export function unsealed(text: string, owner: string, kind: Proof['kind']): Proof | undefined {
  if (!isForeign(text)) return text === '' ? undefined : { of: owner, kind, data: text }
  const match = /^([^.]*)\.(signature|cipher)\.([^.]*)\.([\s\S]*)$/.exec(text.slice(mark.length))
  if (!match) return undefined
  const id = Buffer.from(match[3]!, 'base64url').toString()
  return { of: match[1]!, kind: match[2] as Proof['kind'], data: match[4]!, ...(id !== '' && { id }) }
}

/** Whether a proof was made elsewhere than where the field is at home. */
export const isForeign = (text: string) => text.startsWith(mark)
