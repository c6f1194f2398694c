import { fileOf, run, type Side } from '../processes.ts'
import { type RequestShape, chatBody, chatHeaders, path } from '../traffic.ts'
import type { RequestsResult } from './requests.ts'
import type { StreamsResult } from './streams.ts'

/** How a program of the bench is started. */
export const node = (side: Side, parameters: readonly (string | number)[]) => ({
  side,
  program: process.execPath,
  parameters: parameters.map(String),
})

/** Sends requests in a closed loop, by wrk or by our own generator. */
export function sendRequests(
  port: number,
  shape: RequestShape,
  load: { connections: number; seconds: number; useWrk: boolean },
) {
  const { connections, seconds, useWrk } = load
  if (!useWrk)
    return run<RequestsResult>(
      node('load', [fileOf('load/requests.ts'), port, JSON.stringify(shape), connections, seconds]),
    )
  const headers = Object.entries(chatHeaders(shape)).map(([name, value]) => `${name}: ${value}`)
  return run<RequestsResult>({
    side: 'load',
    program: 'wrk',
    parameters: [
      '-t1',
      `-c${connections}`,
      `-d${Math.max(1, Math.round(seconds))}s`,
      '-s',
      fileOf('load/wrk.lua'),
      `http://127.0.0.1:${port}${path}`,
    ],
    environment: { BENCH_BODY: chatBody(shape), BENCH_HEADERS: headers.join('\n') },
  })
}

/** Opens streams and reads them to their end. */
export const sendStreams = (
  port: number,
  shape: RequestShape,
  load: { connections: number; seconds: number; ramp?: number },
) =>
  run<StreamsResult>(
    node('load', [
      fileOf('load/streams.ts'),
      port,
      JSON.stringify(shape),
      load.connections,
      load.seconds,
      load.ramp ?? 0,
    ]),
  )
