import { randomUUID } from 'node:crypto'

/**
 * A random UUID in one piece. Node joins one from twenty, and V8 keeps the pieces until somebody searches the text: half a
 * kilobyte for each call under way.
 */
export function newId(): string {
  const id = randomUUID()
  anything.test(id)
  return id
}

const anything = /-/
