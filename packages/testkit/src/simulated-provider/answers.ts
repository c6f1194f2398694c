import type { ChatRequest } from './chat-request.ts'
import { calculate } from './calculate.ts'

/** Writes a short readable answer to the last user message, in Vietnamese if that is. */
export function writeAnswer(request: ChatRequest, random: () => number): string {
  const prompt = lastUserText(request)
  const language = isVietnamese(prompt) ? 'vi' : 'en'
  const found = fromTools(request, language) ?? fromSum(prompt, language) ?? fromCapital(prompt, language)
  const text = found ?? pick(texts[kindOf(prompt)][language], random).replaceAll('{subject}', subjectOf(prompt))
  const signature = language === 'vi' ? `(${request.model}, mô phỏng)` : `(${request.model}, simulated)`
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('```') ? '\n' : ' '}${signature}`
}

export function lastUserText({ messages }: ChatRequest): string {
  return messages.findLast(({ role }) => role === 'user')?.text ?? ''
}

type Language = 'en' | 'vi'
type Kind =
  | 'greeting'
  | 'typescript'
  | 'python'
  | 'sql'
  | 'summary'
  | 'comparison'
  | 'how'
  | 'why'
  | 'question'
  | 'statement'

const kinds: [Kind, RegExp][] = [
  ['sql', /\b(sql|select|postgres)\b/i],
  ['python', /\bpython\b/i],
  ['typescript', /```|\b(code|typescript|javascript|function|implement|refactor|regex|bug)\b|viết (hàm|mã)|lập trình/i],
  ['summary', /\b(summari[sz]e|summary|tl;?dr)\b|tóm tắt/i],
  ['comparison', /\b(compare|versus|vs\.?|difference|trade-?offs?)\b|so sánh|khác nhau/i],
  ['why', /\bwhy\b|(?<!\p{L})(tại|vì) sao/iu],
  ['how', /\bhow\b|\b(design|plan|steps)\b|làm (thế nào|sao)|thiết kế/i],
  ['greeting', /^\W*(hi|hello|hey|good (morning|evening)|xin chào|chào)(?!\p{L})/iu],
  ['question', /\?|\b(what|who|when|where|which|explain)\b|là gì|giải thích/i],
]

const typescriptAnswer = `Here is a small version that you can extend:

\`\`\`ts
export function groupBy<Item>(items: Item[], keyOf: (item: Item) => string): Record<string, Item[]> {
  const groups: Record<string, Item[]> = {}
  for (const item of items) (groups[keyOf(item)] ??= []).push(item)
  return groups
}
\`\`\``

const pythonAnswer = `A short version:

\`\`\`python
def moving_average(values, size):
    total = sum(values[:size])
    yield total / size
    for old, new in zip(values, values[size:]):
        total += new - old
        yield total / size
\`\`\``

const sqlAnswer = `Group first, then filter the groups:

\`\`\`sql
SELECT customer_id, count(*) AS orders, sum(total) AS spent
FROM orders
GROUP BY customer_id
HAVING count(*) > 3
ORDER BY spent DESC;
\`\`\``

const texts: Record<Kind, Record<Language, string[]>> = {
  greeting: {
    en: ['Hello! What would you like to look at today?', 'Hi there! How can I help?'],
    vi: ['Xin chào! Tôi có thể giúp gì cho bạn?', 'Chào bạn! Hôm nay chúng ta bắt đầu từ đâu?'],
  },
  typescript: { en: [typescriptAnswer], vi: [typescriptAnswer.replace(/^.*:/, 'Đây là một bản nhỏ gọn:')] },
  python: { en: [pythonAnswer], vi: [pythonAnswer.replace(/^.*:/, 'Đây là một bản ngắn gọn:')] },
  sql: { en: [sqlAnswer], vi: [sqlAnswer.replace(/^.*:/, 'Nhóm trước, rồi lọc các nhóm:')] },
  summary: {
    en: ['In short: {subject}. The rest is detail that supports this one point.'],
    vi: ['Tóm lại: {subject}. Phần còn lại là chi tiết bổ sung cho ý này.'],
  },
  comparison: {
    en: [
      'On "{subject}": one side is simpler to run, the other scales further. Start simple, and measure before you move.',
    ],
    vi: ['Về "{subject}": một bên đơn giản hơn, bên kia mở rộng tốt hơn. Hãy bắt đầu đơn giản và đo trước khi đổi.'],
  },
  why: {
    en: ['The short reason for "{subject}": small causes add up, and the slowest part decides the whole.'],
    vi: ['Lý do ngắn gọn cho "{subject}": nhiều nguyên nhân nhỏ cộng lại, và phần chậm nhất quyết định tất cả.'],
  },
  how: {
    en: [
      'For "{subject}", in three steps:\n1. Write down what must never go wrong.\n2. Build the smallest part that shows it.\n3. Measure, then widen it.',
      'To approach "{subject}": name the goal, cut it into parts that can be checked one by one, and begin with the riskiest.',
    ],
    vi: [
      'Với "{subject}", gồm ba bước:\n1. Ghi ra điều không được phép sai.\n2. Làm phần nhỏ nhất chứng minh được nó.\n3. Đo, rồi mở rộng.',
    ],
  },
  question: {
    en: [
      'Good question. In a sentence: {subject} is easiest to grasp from one concrete example, then from where it stops working.',
      '{subject}: the essential point is that it trades a little effort now for far less trouble later.',
    ],
    vi: [
      'Nói ngắn gọn: {subject} dễ hiểu nhất qua một ví dụ cụ thể, rồi qua giới hạn của nó.',
      'Câu hỏi hay. Điểm chính là bỏ ra một chút công sức bây giờ để tránh nhiều rắc rối về sau.',
    ],
  },
  statement: {
    en: [
      'Understood: {subject}. I would start with the part that is least certain.',
      'Noted: {subject}. Shall we go into detail?',
    ],
    vi: ['Đã hiểu: {subject}. Tôi sẽ bắt đầu từ phần ít chắc chắn nhất.'],
  },
}

const capitals: [RegExp, country: Record<Language, string>, capital: Record<Language, string>][] = [
  [/vi[eệ]t\s?nam/i, { en: 'Vietnam', vi: 'Việt Nam' }, { en: 'Hanoi', vi: 'Hà Nội' }],
  [/france|pháp/i, { en: 'France', vi: 'Pháp' }, { en: 'Paris', vi: 'Paris' }],
  [/japan|nhật/i, { en: 'Japan', vi: 'Nhật Bản' }, { en: 'Tokyo', vi: 'Tokyo' }],
  [/germany|đức/i, { en: 'Germany', vi: 'Đức' }, { en: 'Berlin', vi: 'Berlin' }],
]

function kindOf(prompt: string): Kind {
  return kinds.find(([, pattern]) => pattern.test(prompt))?.[0] ?? 'statement'
}

function fromTools({ messages }: ChatRequest, language: Language): string | undefined {
  const last = messages.at(-1)
  if (last?.role !== 'tool') return undefined
  const result = shorten(last.text, 30)
  return language === 'vi' ? `Công cụ trả về: ${result}` : `The tool says: ${result}`
}

function fromSum(prompt: string, language: Language): string | undefined {
  const sum = prompt.length > 300 ? undefined : calculate(prompt)
  if (!sum) return undefined
  return language === 'vi' ? `Kết quả: ${sum.expression} = ${sum.result}.` : `${sum.expression} = ${sum.result}.`
}

function fromCapital(prompt: string, language: Language): string | undefined {
  const found = /\bcapital\b|thủ đô/i.test(prompt) && capitals.find(([pattern]) => pattern.test(prompt))
  if (!found) return undefined
  const [, country, capital] = found
  if (language === 'vi') return `Thủ đô của ${country.vi} là ${capital.vi}.`
  return `The capital of ${country.en} is ${capital.en}.`
}

function isVietnamese(text: string): boolean {
  return /xin chào|[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệịỉĩọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]/i.test(text.normalize('NFC'))
}

function subjectOf(prompt: string): string {
  const question =
    /^\W*(what (is|are)|who (is|was)|explain|how (do|does|can|to)( (i|you|we))?|why (is|are|do|does)|please|summari[sz]e|tóm tắt)\b[\s:]*/i
  const subject = shorten(prompt.trim().replace(question, ''), 12).replace(/[\s.?!:,;]+$/, '')
  return subject || 'that'
}

function shorten(text: string, words: number): string {
  const all = text.trim().split(/\s+/)
  const start = all.slice(0, words).join(' ')
  const cut = start.slice(0, 200).replace(/[\uD800-\uDBFF]$/, '')
  return all.length > words || cut.length < start.length ? `${cut} …` : cut
}

function pick(list: string[], random: () => number): string {
  return list[Math.floor(random() * list.length)]!
}
