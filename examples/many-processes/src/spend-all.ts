/** What callers met at one process. */
export interface Met {
  answered: number
  refused: number
}

/** Lets callers call one after the other until each is refused: what they met, by the process that they reached. */
export async function spendAll(url: string, callers: number): Promise<ReadonlyMap<string, Met>> {
  const met = new Map<string, Met>()
  await Promise.all(Array.from({ length: callers }, call))
  return met

  async function call(): Promise<void> {
    const body = { model: 'mini', max_tokens: 50, messages: [{ role: 'user', content: 'What is 17 * 23?' }] }
    const headers = { 'content-type': 'application/json' }
    for (;;) {
      const response = await fetch(`${url}/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) })
      const answer = (await response.json()) as { error?: { code: string } }
      const pid = response.headers.get('x-process')!
      const one = met.get(pid) ?? { answered: 0, refused: 0 }
      met.set(pid, one)
      if (!response.ok) {
        if (answer.error?.code !== 'budget_exceeded')
          throw new Error(`The process ${pid} answered ${response.status}: ${JSON.stringify(answer)}`)
        one.refused++
        return
      }
      one.answered++
    }
  }
}
