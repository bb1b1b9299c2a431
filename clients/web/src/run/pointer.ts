// Owns where a place of a document stands in its text. Promises: every JSON pointer (RFC 6901) of a text that is JSON has the
// offset at which its value begins; of a text that breaks off, those before the break. Never says what is wrong with it.

/** Offsets by pointer. */
export function places(text: string): Map<string, number> {
  const found = new Map<string, number>()
  let at = 0
  const space = () => {
    while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1
  }
  /** The text of a string whose quote is here. */
  const string = (): string => {
    const begin = at
    for (at += 1; at < text.length && text[at] !== '"'; at += 1) if (text[at] === '\\') at += 1
    at += 1
    try {
      return JSON.parse(text.slice(begin, at)) as string
    } catch {
      return ''
    }
  }
  /** Reads a value; false: the text is no JSON from here on. */
  const value = (pointer: string, depth: number): boolean => {
    space()
    if (depth > 200 || at >= text.length) return false
    found.set(pointer, at)
    const first = text[at]
    if (first === '{' || first === '[') return members(pointer, depth, first === '{' ? '}' : ']')
    if (first === '"') string()
    else while (at < text.length && !',]} \t\r\n'.includes(text.charAt(at))) at += 1
    return true
  }
  const members = (pointer: string, depth: number, end: '}' | ']'): boolean => {
    at += 1
    for (let index = 0; ; index += 1) {
      space()
      if (text[at] === end) {
        at += 1
        return true
      }
      let name = String(index)
      if (end === '}') {
        if (text[at] !== '"') return false
        name = string().replaceAll('~', '~0').replaceAll('/', '~1')
        space()
        if (text[at] !== ':') return false
        at += 1
      }
      if (!value(`${pointer}/${name}`, depth + 1)) return false
      space()
      if (text[at] === ',') at += 1
      else if (text[at] !== end) return false
    }
  }
  value('', 0)
  return found
}

/** Where a pointer stands; where it names nothing that is there, the nearest thing around it. */
export function placeOf(all: Map<string, number>, pointer: string): number {
  for (let near = pointer; near !== ''; near = near.slice(0, near.lastIndexOf('/'))) {
    const place = all.get(near)
    if (place !== undefined) return place
  }
  return all.get('') ?? 0
}
