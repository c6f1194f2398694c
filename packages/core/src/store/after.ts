import type { MaybePromise } from './store.ts'

/** Goes on with a value at once when it is there already, and by promise when it is promised. */
export function after<T, R>(value: MaybePromise<T>, run: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(run) : run(value)
}

/** Whether a value has to be waited for. */
export const isPromise = <T>(value: MaybePromise<T>): value is Promise<T> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
