// Owns how a node of the engine `shell` is written as a command for a terminal. Promises: every text is quoted; references
// stay as they are, marked, because only a run knows their values. Never runs anything.

import type { Node } from '../run/document'

const quoted = (text: string): string => (/^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

/** The command; none where the node is not one. */
export function asShell({ engine, said }: Node): string | undefined {
  const { artifact, args, env } = said
  if (engine !== 'shell' || typeof artifact !== 'string') return undefined
  const given = Array.isArray(args) ? args.filter((arg) => typeof arg === 'string') : []
  // `NAME=value` among the arguments is a variable of the job.
  const isVariable = (arg: string) => /^[A-Za-z_]\w*=/.test(arg)
  const pairs = typeof env === 'object' && env !== null ? Object.entries(env).map(([name, value]) => `${name}=${String(value)}`) : []
  const exports = [...pairs, ...given.filter(isVariable)].map((pair) => {
    const [name = '', ...value] = pair.split('=')
    return `export ${name}=${quoted(value.join('='))}`
  })
  const rest = given.filter((arg) => !isVariable(arg)).map(quoted)
  const command = artifact.startsWith('#!') ? inline(artifact, rest) : [quoted(artifact), ...rest].join(' ')
  return [...exports, command].join('\n')
}

function inline(script: string, args: string[]): string {
  const [first = '', ...lines] = script.split('\n')
  return `${[first.slice(2).trim(), '-s', '--', ...args].join(' ')} <<'GORCH'\n${lines.join('\n').trimEnd()}\nGORCH`
}
