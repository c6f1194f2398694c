import type { FieldWriter } from './translation.ts'

/** The longest id of a person that OpenAI takes. */
const longestUser = 64

/** Writes the id of a person into a field of OpenAI's. */
export const writesUser = (to: string): FieldWriter<'user'> => ({
  to,
  note: `up to ${longestUser} characters`,
  write: (user) => (user.length > longestUser ? undefined : { [to]: user }),
})
