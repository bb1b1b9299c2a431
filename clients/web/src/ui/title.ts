// Owns the title of the page: what tabs, the history and screen readers call it.

import { useEffect } from 'preact/hooks'

/** Names the page; without words somebody else does. */
export function useTitle(words: string | undefined): void {
  useEffect(() => {
    if (words === undefined) return
    document.title = words === '' ? 'gorch' : `${words} · gorch`
  }, [words])
}
