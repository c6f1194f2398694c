import { kindOf, kinds } from './features/characters.ts'
import { tokenise } from './features/tokenise.ts'
import { windowOf } from './features/window.ts'

/** What a prompt asks to be done. */
export type Task = 'code' | 'maths' | 'analysis' | 'summarise' | 'translate' | 'write' | 'extract' | 'chat'

/** How long an answer is wanted. */
export type ExpectedLength = 'short' | 'medium' | 'long'

/**
 * The words by which people ask for a task, in English, Vietnamese, Chinese, Spanish, French, German, Japanese and
 * Portuguese. A task is found by its verbs and its things, never by how many words there are.
 */
const words: Readonly<Record<Exclude<Task, 'chat'>, string>> = {
  code: 'git docker kubernetes linux react css html string code function python javascript typescript java rust golang sql regex bug debug refactor compile api algorithm unittest script mã hàm lập_trình gỡ_lỗi truy_vấn thuật_toán 代码 函数 编程 调试 程序 算法 脚本 查询 código función depurar programa algoritmo fonction déboguer programme algorithme coder funktion programm fehler algorithmus programmieren skript abfrage コード 関数 プログラム デバッグ アルゴリズム função programar',
  maths:
    'prove solve calculate equation integral derivative probability theorem sum percent maths math triangle tính chứng_minh phương_trình giải xác_suất tích_phân đạo_hàm phần_trăm 计算 证明 方程 概率 积分 导数 求解 定理 calcula demuestra ecuación probabilidad integral derivada resuelve calcule démontre équation probabilité dérivée résous prouve berechne beweise gleichung wahrscheinlichkeit ableitung löse 計算 証明 方程式 確率 微分 積分 prove equação',
  analysis:
    'analyze analyse compare evaluate assess why explain design architecture trade-off tradeoffs strategy plan review recommend phân_tích so_sánh đánh_giá giải_thích thiết_kế kiến_trúc chiến_lược tại_sao vì_sao 分析 比较 评估 解释 设计 架构 为什么 策略 方案 analiza compara evalúa explica diseña arquitectura estrategia analyse compare évalue explique conçois architecture stratégie pourquoi analysiere vergleiche bewerte erkläre entwirf architektur strategie warum 分析 比較 評価 説明 設計 なぜ analise avalie explique projete',
  summarise:
    'summarize summarise summary tldr shorten condense tóm_tắt rút_gọn 总结 概括 摘要 resume resumen résume résumer résumé fasse zusammenfassung zusammenfassen 要約 まとめ resuma resumo',
  translate:
    'translate translation dịch 翻译 译成 traduce traducir traduzca traduis traduire traduction übersetze übersetzen übersetzung 翻訳 訳して traduza traduzir',
  write:
    'write draft compose poem story essay email letter slogan blog viết soạn bài_thơ truyện thư bài_văn 写 撰写 诗 故事 邮件 作文 文案 escribe redacta poema cuento carta correo écris rédige poème histoire lettre courriel schreibe verfasse gedicht geschichte brief 書いて 詩 物語 メール 作成 escreva redija poema conto',
  extract:
    'extract list classify label parse find identify tag trích_xuất liệt_kê phân_loại tìm 提取 列出 分类 找出 抽取 extrae enumera clasifica extrais énumère classe liste extrahiere klassifiziere nenne 抽出 分類 リスト 列挙 extraia classifique',
}

const lengths: Readonly<Record<'long' | 'short', string>> = {
  long: 'detailed comprehensive essay report step-by-step thorough article chapter chi_tiết đầy_đủ báo_cáo bài_luận 详细 完整 报告 论文 全面 detallado ensayo informe completo détaillé rapport dissertation complet ausführlich detailliert bericht aufsatz 詳しく 詳細 レポート 論文 detalhado relatório',
  short:
    'briefly one-word one-sentence yes/no true/false short quick concise ngắn ngắn_gọn một_từ một_câu 简短 一句话 简要 一个词 brevemente breve corto corta brièvement bref court kurz kurzen knapp 簡潔 一言 一文 短い',
}

/** What a prompt asks to be done, in any of the languages above; `chat` where nothing says. */
export function taskOf(text: string): Task {
  const counts = countsOf(text, tasks)
  let best: Task = 'chat'
  let most = 0
  // Of equals the first one counts: "write a function" asks for code.
  for (const task of Object.keys(words) as (keyof typeof words)[]) {
    const count = counts.get(task) ?? 0
    if (count > most) [best, most] = [task, count]
  }
  return best === 'chat' ? taskOfMarks(text) : best
}

/** Code and sums show by their marks in every language. */
function taskOfMarks(text: string): Task {
  const { codeMarks, codeWords, mathMarks, numbers } = tokenise(windowOf(text).text, { add() {} })
  if (codeMarks > 4 || codeWords > 2) return 'code'
  return mathMarks > 0 || (numbers > 1 && sums.some((mark) => text.includes(mark))) ? 'maths' : 'chat'
}

const sums = ['%', '％', '+', '=', '×', '÷']

/** How long an answer is wanted: as the prompt or the caller's limit in tokens says, else `medium`. */
export function expectedLengthOf(text: string, maxOutputTokens?: number): ExpectedLength {
  if (maxOutputTokens !== undefined && maxOutputTokens <= 64) return 'short'
  const counts = countsOf(text, lengthWords)
  if (counts.has('short')) return 'short'
  return counts.has('long') ? 'long' : 'medium'
}

/** Which labels a word speaks for. */
type Lexicon<Label> = ReadonlyMap<string, readonly Label[]>

function lexiconOf<Label extends string>(lists: Readonly<Record<Label, string>>): Lexicon<Label> {
  const lexicon = new Map<string, Label[]>()
  for (const label of Object.keys(lists) as Label[]) {
    for (const word of new Set(lists[label].split(' '))) {
      const key = word.replaceAll('_', ' ')
      lexicon.set(key, [...(lexicon.get(key) ?? []), label])
    }
  }
  return lexicon
}

const tasks = lexiconOf(words)
const lengthWords = lexiconOf(lengths)

/** A word among the first ones says more than what comes behind it. */
const weightAt = (place: number) => (place < 6 ? 2 : 1)

/** How often words of each label are there, each word once: single ones, pairs, and runs of ideographs. */
function countsOf<Label>(text: string, lexicon: Lexicon<Label>): Map<Label, number> {
  const counts = new Map<Label, number>()
  const seen = new Set<string>()
  let place = 0
  let previous = ''
  const look = (word: string) => {
    const labels = lexicon.get(word)
    if (!labels || seen.has(word)) return
    seen.add(word)
    for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + weightAt(place))
  }
  for (const token of tokensOf(windowOf(text).text.normalize('NFC'))) {
    if (kindOf(token.charCodeAt(0)) === kinds.ideograph) lookInside(token, look)
    else {
      look(token)
      look(`${previous} ${token}`)
    }
    previous = token
    place++
  }
  return counts
}

const longestIdeographs = 5

function lookInside(run: string, look: (word: string) => void): void {
  for (let from = 0; from < run.length; from++) {
    for (let length = 1; length <= longestIdeographs && from + length <= run.length; length++) {
      look(run.slice(from, from + length))
    }
  }
}

/** Words, with the hyphens and slashes inside of them, and unbroken runs of ideographs. */
function* tokensOf(text: string): Generator<string> {
  let start = 0
  let last: 'word' | 'run' | undefined
  for (let at = 0; at <= text.length; at++) {
    const now = at < text.length ? shapeOf(text, at) : undefined
    if (now === last) continue
    if (last) yield text.slice(start, at)
    start = at
    last = now
  }
}

function shapeOf(text: string, at: number): 'word' | 'run' | undefined {
  const code = text.charCodeAt(at)
  const kind = kindOf(code)
  if (kind === kinds.ideograph) return 'run'
  const isInside = (code === 45 || code === 47) && at > 0 && isWord(text, at - 1) && isWord(text, at + 1)
  return isInside || kind === kinds.letter || kind === kinds.digit ? 'word' : undefined
}

const isWord = (text: string, at: number) => kindOf(text.charCodeAt(at)) === kinds.letter
