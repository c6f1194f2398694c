import { truncateSync } from 'node:fs'
import { expect, it } from 'vitest'
import { jsonLines } from './json-lines.ts'
import { configFile } from './testing/signalbox.ts'

async function valuesOf(text: string): Promise<readonly unknown[]> {
  const values: unknown[] = []
  for await (const { value, where } of jsonLines(configFile(text, 'jsonl')))
    values.push([value, Number(where.split(' ').at(-1))])
  return values
}

it('are read whole wherever the pieces of a file end, and each says its place', async () => {
  const long = 'ü\u2028'.repeat(100_000)
  const text = `\uFEFF"a"\r\n\n${JSON.stringify(long)}\n${JSON.stringify(long)}\n{"b":1}`
  expect(await valuesOf(text)).toEqual([
    ['a', 1],
    [long, 3],
    [long, 4],
    [{ b: 1 }, 5],
  ])
  expect(await valuesOf('')).toEqual([])
})

it('are refused where one is too long to be read', async () => {
  const file = configFile('1\n', 'jsonl')
  truncateSync(file, 600_000_000)
  const read = async () => {
    for await (const { value } of jsonLines(file)) expect(value).toBe(1)
  }
  await expect(read()).rejects.toMatchObject({
    code: 'invalid_config',
    message: `${file}, line 2: expected 100000000 characters at the most`,
  })
})

it('take a time that grows with the length of a line, and no faster', async () => {
  const timeOf = async (length: number) => {
    const text = `"${'x'.repeat(length)}"`
    const before = process.threadCpuUsage()
    expect(await valuesOf(text)).toHaveLength(1)
    return process.threadCpuUsage(before).user / 1_000
  }
  const smallMs = Math.max(5, await timeOf(2_000_000))
  expect(await timeOf(40_000_000)).toBeLessThan(smallMs * 100)
})
