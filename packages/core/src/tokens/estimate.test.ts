import { describe, expect, it } from 'vitest'
import { estimateTokens } from './estimate.ts'

const base64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const hexadecimal = '0123456789abcdef'

function sequence(length: number, alphabet: string, seed: number): string {
  let state = seed
  const next = () => (state = (state * 48_271) % 2_147_483_647)
  return Array.from({ length }, () => alphabet[next() % alphabet.length]).join('')
}

const uuid = (seed: number) => sequence(32, hexadecimal, seed).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')

/** Texts with their exact number of tokens by o200k, counted with gpt-tokenizer 4.0.0. */
const samples: readonly { name: string; tokens: number; text: string }[] = [
  {
    name: 'english',
    tokens: 54,
    text: 'The signal box is the building from which a stretch of railway is run: it sets the points for each train, refuses a route that is not clear, and writes every movement in the register. Most of the boxes were closed in the second half of the twentieth century.',
  },
  {
    name: 'german',
    tokens: 46,
    text: 'Das Stellwerk ist das Gebäude, von dem aus ein Streckenabschnitt betrieben wird: Es stellt die Weichen für jeden Zug, verweigert eine nicht freie Fahrstraße und schreibt jede Bewegung in das Zugmeldebuch.',
  },
  {
    name: 'french',
    tokens: 42,
    text: "Le poste d'aiguillage est le bâtiment à partir duquel une section de chemin de fer est exploitée : il règle les aiguilles pour chaque train et refuse un itinéraire qui n'est pas libre.",
  },
  {
    name: 'vietnamese',
    tokens: 52,
    text: 'Hộp tín hiệu là tòa nhà từ đó một đoạn đường sắt được điều khiển: nó đặt ghi cho từng đoàn tàu, từ chối một tuyến đường không thông thoáng và ghi lại mọi chuyển động vào sổ đăng ký.',
  },
  {
    name: 'russian',
    tokens: 38,
    text: 'Пост централизации - это здание, из которого управляют участком железной дороги: он устанавливает стрелки для каждого поезда и записывает каждое движение в журнал.',
  },
  {
    name: 'arabic',
    tokens: 41,
    text: 'صندوق الإشارات هو المبنى الذي يدار منه جزء من السكة الحديدية: فهو يحدد المسار لكل قطار ويرفض الطريق غير الخالي ويسجل كل حركة في السجل.',
  },
  {
    name: 'hindi',
    tokens: 46,
    text: 'सिग्नल बॉक्स वह इमारत है जहाँ से रेलवे का एक हिस्सा चलाया जाता है: यह प्रत्येक ट्रेन के लिए पॉइंट निर्धारित करता है और हर गतिविधि को रजिस्टर में लिखता है।',
  },
  {
    name: 'thai',
    tokens: 60,
    text: 'หอสัญญาณเป็นอาคารที่ใช้ควบคุมช่วงทางรถไฟ โดยจะตั้งประแจสำหรับรถไฟแต่ละขบวน ปฏิเสธเส้นทางที่ไม่ว่าง และบันทึกการเคลื่อนไหวทุกครั้งลงในสมุดทะเบียน',
  },
  {
    name: 'chinese',
    tokens: 58,
    text: '信号楼是控制一段铁路的建筑物:它为每列火车设置道岔,拒绝未清空的进路,并将每一次移动记录在登记簿中。大多数信号楼在二十世纪下半叶关闭。',
  },
  {
    name: 'japanese',
    tokens: 54,
    text: '信号扱所は、鉄道の一区間を制御する建物です。列車ごとにポイントを設定し、安全でない進路を拒否し、すべての動きを記録簿に書き込みます。',
  },
  {
    name: 'korean',
    tokens: 49,
    text: '신호소는 철도 구간을 운영하는 건물이다. 각 열차의 선로 전환기를 설정하고, 비어 있지 않은 진로를 거부하며, 모든 움직임을 기록부에 적는다.',
  },
  {
    name: 'json',
    tokens: 114,
    text: '{"orders":[{"id":1837,"customer":"Ada Lovelace","items":[{"sku":"AB-1029","quantity":2,"priceUsd":19.99},{"sku":"ZX-88","quantity":1,"priceUsd":240}],"paid":true,"createdAt":"2026-11-02T08:15:30.000Z"},{"id":1838,"customer":"Alan Turing","items":[],"paid":false,"createdAt":"2026-11-02T08:16:02.120Z"}]}',
  },
  {
    name: 'minified',
    tokens: 123,
    text: '!function(e,t){"object"==typeof exports&&"undefined"!=typeof module?t(exports):"function"==typeof define&&define.amd?define(["exports"],t):t((e=e||self).preact={})}(this,(function(e){var t,n,o,r={},i=[],l=/acit|ex(?:s|g|n|p|$)|rph|grid|ows|mnc|ntw|ine[ch]|zoo|^ord|itera/i;function u(e,t){for(var n in t)e[n]=t[n];return e}',
  },
  {
    name: 'code',
    tokens: 87,
    text: 'export function createFakeClock(options: FakeClockOptions = {}): FakeClock {\n  const heap = createTimerHeap()\n  let now = 0\n  return {\n    now: () => now,\n    setTimeout(run, delayMs): Timer {\n      const dueAt = delayMs > 0 ? now + delayMs : now\n      heap.add({ dueAt, run })\n      return timer\n    },\n  }\n}\n',
  },
  {
    name: 'url',
    tokens: 77,
    text: 'https://example.com/api/v2/customers/8812/orders?from=2026-01-01&to=2026-11-30&sort=created_at:desc&fields=id,total,currency,status&page=12 see also https://storage.googleapis.com/bucket-eu-west-4/exports/2026/11/22/report_final_v3.csv.gz',
  },
  {
    name: 'indented JSON',
    tokens: 125,
    text: '{\n  "orders": [\n    {\n      "id": 1837,\n      "customer": "Ada Lovelace",\n      "items": [\n        {\n          "sku": "AB-1029",\n          "quantity": 2,\n          "priceUsd": 19.99\n        },\n        {\n          "sku": "ZX-88",\n          "quantity": 1,\n          "priceUsd": 240\n        }\n      ],\n      "paid": true,\n      "createdAt": "2026-11-02T08:15:30.000Z"\n    }\n  ]\n}',
  },
  {
    name: 'a table',
    tokens: 214,
    text: `| name | value | unit |\n|------|-------|------|\n${'| alpha | 12.5 | ms |\n'.repeat(20)}`,
  },
  { name: 'base64', tokens: 1_352, text: sequence(2_000, base64, 7) },
  { name: 'hexadecimal', tokens: 1_138, text: sequence(2_000, hexadecimal, 8) },
  { name: 'digits', tokens: 300, text: sequence(900, '0123456789', 9) },
  { name: 'UUIDs', tokens: 939, text: Array.from({ length: 40 }, (_, index) => uuid(index + 1)).join('\n') },
  {
    name: 'UUIDs in JSON',
    tokens: 2_054,
    text: JSON.stringify(
      Array.from({ length: 40 }, (_, index) => ({ id: uuid(index + 1), parent: uuid(index + 100) })),
    ),
  },
  { name: 'emoji', tokens: 300, text: '😀🎉🚂👍'.repeat(50) },
  { name: 'line breaks', tokens: 250, text: '\n'.repeat(4_000) },
  { name: 'blanks', tokens: 32, text: ' '.repeat(4_000) },
]

/** Texts that are counted too high on purpose: the safe side. */
const overcounted: readonly { name: string; tokens: number; text: string }[] = [
  { name: 'one letter', tokens: 500, text: 'a'.repeat(4_000) },
  { name: 'Chinese without a stop', tokens: 1_800, text: '铁路信号控制系统的设计与实现'.repeat(200) },
  { name: 'rulers', tokens: 40, text: `${'-'.repeat(80)}\n`.repeat(20) },
]

describe('estimateTokens', () => {
  it.each(samples)('is within 30 % of the exact count of $name', ({ text, tokens }) => {
    expect(Math.abs(estimateTokens(text) / tokens - 1)).toBeLessThanOrEqual(0.3)
  })

  it.each(['english', 'code', 'json', 'base64', 'UUIDs', 'vietnamese', 'chinese', 'thai'])(
    'is within 15 %% of the exact count of %s',
    (name) => {
      const { text, tokens } = samples.find((sample) => sample.name === name)!
      expect(Math.abs(estimateTokens(text) / tokens - 1)).toBeLessThanOrEqual(0.15)
    },
  )

  it.each(overcounted)('never counts $name too low', ({ text, tokens }) => {
    expect(estimateTokens(text)).toBeGreaterThanOrEqual(tokens)
  })

  it('counts nothing in nothing', () => {
    expect(estimateTokens('')).toBe(0)
    expect(estimateTokens(' ')).toBe(0)
    expect(estimateTokens('a')).toBe(1)
  })

  it.each([
    ['lone surrogates', '\uD800'],
    ['lone surrogates of the other half', '\uDC00'],
    ['NUL', '\0'],
    ['combining marks', '\u0301'],
    ['unassigned characters', '\uFFFF'],
  ])('counts %s without throwing', (_, unit) => {
    expect(estimateTokens(unit.repeat(1_000))).toBeGreaterThan(0)
  })

  it.each([
    ['Chinese words', '铁路信号控制系统'],
    ['one letter', 'a'],
    ['one accented letter', 'é'],
    ['one sign', '-'],
    ['blanks', ' '],
    ['lone surrogates', '\uD800'],
    ['changes in every character', 'aA1'],
  ])('reads each character of %s a bounded number of times, however long the text', (_, unit) => {
    const text = countingReads(unit.repeat(20_000))
    estimateTokens(text as unknown as string)
    expect(text.reads()).toBeLessThanOrEqual(4 * text.length)
  })

  it('takes 10 MB of anything', () => {
    expect(estimateTokens('中'.repeat(1_000_000))).toBeGreaterThan(500_000)
    expect(estimateTokens('a'.repeat(10_000_000))).toBeGreaterThan(1_000_000)
  })
})

/** As much of a string as the estimate uses; it counts the characters read. */
function countingReads(text: string) {
  let reads = 0
  const charCodeAt = (index: number) => {
    reads++
    return text.charCodeAt(index)
  }
  return { length: text.length, charCodeAt, reads: () => reads }
}
