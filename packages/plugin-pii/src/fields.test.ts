import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ask } from './testing/ask.ts'

const mail = 'ada@example.com'

describe('what a model wrote besides its words is taken out in the next turn', () => {
  const parts = [
    { type: 'text', text: 'c', citations: [{ type: 'char_location', cited_text: mail, document_title: mail }] },
    { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: mail, url: mail } },
    { type: 'bash_code_execution_tool_result', tool_use_id: 's', content: { stdout: mail, stderr: mail } },
    { type: 'file', file: { filename: mail, file_data: 'data:application/pdf;base64,QUFB' } },
    { type: 'web_search_call', id: 'w', action: { type: 'search', query: mail } },
    { type: 'file_search_call', id: 'f', results: [{ text: 'x', filename: mail, attributes: { who: mail } }] },
    { type: 'code_interpreter_call', id: 'c', code: mail, outputs: [{ type: 'logs', logs: mail }] },
    { type: 'local_shell_call', id: 'l', action: { type: 'exec', command: ['mail', mail], env: { TO: mail } } },
    { type: 'mcp_call', id: 'm', error: mail },
    { type: 'reasoning.summary', summary: mail },
    { id: 'a', transcript: mail },
  ]

  it.each(parts)('$type', async (part) => {
    for (const field of ['messages', 'input']) {
      const { sent } = await ask({ messages: [], [field]: [{ role: 'assistant', content: [part] }] }, {})
      expect(JSON.stringify(sent)).not.toContain('example.com')
      expect(JSON.stringify(sent)).toBe(
        JSON.stringify({ model: 'a', messages: [], [field]: [{ role: 'assistant', content: [part] }] }).replaceAll(
          mail,
          '[EMAIL_1]',
        ),
      )
    }
  })
})

it('whatever an answer gets back is taken out again, in whatever fields it stands', async () => {
  const fields = [
    'text',
    'url',
    'id',
    'file_id',
    'type',
    'source',
    'data',
    'input',
    'name',
    'thinking',
    'quote',
    'image_url',
    'arguments',
    '[EMAIL_1]',
  ]
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom('[EMAIL_1]', 'to [EMAIL_1].', 'no', 'text'),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...fields), tie('node'), { maxKeys: 4 }),
    ),
  })).node
  const question = { role: 'user', content: mail }
  await fc.assert(
    fc.asyncProperty(tree, async (content) => {
      const { text } = await ask({ messages: [question] }, { choices: [{ index: 0, message: { content } }] })
      const { sent } = await ask({ messages: [question, JSON.parse(text).choices[0].message] }, {})
      expect(JSON.stringify(sent)).not.toContain(mail)
    }),
    { numRuns: 100 },
  )
})
