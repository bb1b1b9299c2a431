// Owns the frame around all screens: navigation, the keys that count everywhere, and which screen an address means.
// Promises: an address that means nothing says so. Never knows what a screen does.

import { signal } from '@preact/signals'
import { me, whoTrouble } from './api/who'
import { followLinks, go, href, parts } from './router'
import { Api } from './screens/api'
import { Executors } from './screens/executors'
import { RunScreen } from './screens/run'
import { Runs } from './screens/runs'
import { Submit } from './screens/submit'
import { focusSearch, groups, useKeys } from './ui/keys'
import { Empty, Trouble } from './ui/parts'
import { nextTheme, theme } from './ui/theme'

const isHelpOpen = signal(false)

const PLACES = [
  { path: '/runs', word: 'Runs', keys: 'g r' },
  { path: '/submit', word: 'Submit', keys: 'g s' },
  { path: '/executors', word: 'Executors', keys: 'g e' },
  { path: '/api', word: 'API', keys: 'g a' },
] as const

function Screen() {
  const [first = 'runs', id, ...rest] = parts.value
  switch (first) {
    case 'runs':
      return id === undefined ? <Runs /> : <RunScreen key={id} id={id} rest={rest} />
    case 'submit':
      return <Submit />
    case 'executors':
      return <Executors />
    case 'api':
      return <Api />
    default:
      return <Empty>There is no screen `{first}`.</Empty>
  }
}

export function App() {
  const here = parts.value[0] ?? 'runs'
  useKeys('Everywhere', [
    { keys: '?', does: 'show the keys', act: () => (isHelpOpen.value = !isHelpOpen.value) },
    { keys: '/', does: 'search', act: focusSearch },
    ...PLACES.map(({ path, word, keys }) => ({ keys, does: `go to ${word}`, act: () => go(href(path)) })),
    { keys: 'T', does: 'light, dark, or as the system has it', act: nextTheme },
  ])
  return (
    <div class="frame" onClick={followLinks}>
      <a class="skip" href="#main" data-plain>Skip to the content</a>
      <header class="top">
        <a class="brand" href={href('/runs')} aria-label="gorch: the runs">
          <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="18" height="18" />
          <span>gorch</span>
        </a>
        <nav aria-label="Screens">
          {PLACES.map(({ path, word }) => (
            <a key={path} href={href(path)} aria-current={`/${here}` === path ? 'page' : undefined}>{word}</a>
          ))}
        </nav>
        <span class="spring" />
        <WhoAmI />
        <button type="button" class="button quiet" onClick={nextTheme} title="Light, dark, or as the system has it (T)">
          {THEME_WORDS[theme.value]}
        </button>
        <button type="button" class="button quiet" onClick={() => (isHelpOpen.value = true)} title="Show the keys (?)" aria-label="Show the keys">
          ?
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        {whoTrouble.value !== undefined && <Trouble error={whoTrouble.value} />}
        <Screen />
      </main>
      {isHelpOpen.value && <Help />}
    </div>
  )
}

const THEME_WORDS = { system: 'Auto', light: 'Light', dark: 'Dark' } as const

function WhoAmI() {
  const who = me.value
  if (!who) return null
  const name = who.identity.split('/').slice(-2).join('/')
  return <span class="who" title={`${who.identity}\nroles: ${who.roles.join(', ')}`}>{name}</span>
}

function Help() {
  const close = () => (isHelpOpen.value = false)
  return (
    <dialog class="dialog" aria-label="Keys" onClose={close} ref={(dialog) => {
      if (dialog?.open === false) dialog.showModal()
    }}>
      <h2>Keys</h2>
      {groups.value.map((group) => (
        <section key={group.title}>
          <h3>{group.title}</h3>
          <dl class="keys">
            {group.keys.map((key) => (
              <div key={key.keys}>
                <dt>{key.keys.split(' ').map((one) => <kbd key={one}>{one}</kbd>)}</dt>
                <dd>{key.does}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      <button type="button" class="button" onClick={close}>Close</button>
    </dialog>
  )
}
