import { expect, it } from 'vitest'
import { jsonIn } from './json.ts'

it.each([
  ['letters, digits and _ that are written as escapes', '{"\\u006e":"\\u0041\\u0039\\u005F"}', '{"n":"A9_"}'],
  ['no others', '{"\\u00e9":"\\n\\"\\u0022\\u005c\\u002d"}', '{"\\u00e9":"\\n\\"\\u0022\\u005c\\u002d"}'],
  ['none behind an escaped backslash', '{"\\\\u006e":"\\\\\\u006e"}', '{"\\\\u006e":"\\\\n"}'],
  ['nothing where there are none', '{"n":"é"}', '{"n":"é"}'],
])('reads plainly %s', (_what, written, read) => {
  expect(jsonIn(Buffer.from(written))).toBe(read)
})
