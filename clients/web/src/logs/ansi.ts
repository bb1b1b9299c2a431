// Owns the colours that programs write into their lines. Promises: what is no colour is taken out, and every other character
// stays; a carriage return shows what was written last, as a terminal does. Never makes markup: it gives texts and styles.

export interface Part {
  text: string
  /** Classes: `a-31`, `a-bold`. */
  style: string
}

// eslint-disable-next-line no-control-regex -- the character that begins a sequence is a control character
const SEQUENCE = /\u001b(?:\[([0-9;:?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[()][A-Z0-9]|[@-Z\\-_=>])/g

/** A line, cut where its style changes. */
export function partsOf(line: string): Part[] {
  const shown = lastWritten(line)
  if (!shown.includes('\u001b')) return [{ text: shown, style: '' }]
  const parts: Part[] = []
  const style = new Set<string>()
  let begin = 0
  const put = (text: string) => {
    if (text !== '') parts.push({ text, style: [...style].join(' ') })
  }
  for (const found of shown.matchAll(SEQUENCE)) {
    put(shown.slice(begin, found.index))
    begin = found.index + found[0].length
    if (found[2] === 'm') restyle(style, (found[1] ?? '').split(/[;:]/).map(Number))
  }
  put(shown.slice(begin))
  return parts
}

/** A line without any style: what is searched. Of a hundred thousand lines it is asked at once, so it makes no parts. */
export function plain(line: string): string {
  const shown = lastWritten(line)
  return shown.includes('\u001b') ? shown.replace(SEQUENCE, '') : shown
}

function lastWritten(line: string): string {
  if (!line.includes('\r')) return line
  return line.split('\r').findLast((piece) => piece !== '') ?? ''
}

function restyle(style: Set<string>, codes: number[]): void {
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0
    if (code === 0) style.clear()
    else if (code === 1) style.add('a-bold')
    else if (code === 2) style.add('a-dim')
    else if (code === 3) style.add('a-italic')
    else if (code === 4) style.add('a-under')
    else if (code === 22) ['a-bold', 'a-dim'].forEach((one) => style.delete(one))
    else if (code === 23) style.delete('a-italic')
    else if (code === 24) style.delete('a-under')
    else if (code === 38 || code === 48) index += codes[index + 1] === 5 ? 2 : 4
    else if (code === 39 || (code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      for (const one of [...style]) if (/^a-\d/.test(one)) style.delete(one)
      if (code !== 39) style.add(`a-${code >= 90 ? code - 60 : code}`)
    }
  }
}
