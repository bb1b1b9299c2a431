// Owns what time it is for whoever shows lengths of time that grow. Promises: one tick a second for the whole page, and
// none while nobody looks. Never decides anything by time.

import { signal } from '@preact/signals'

export const now = signal(Date.now())

setInterval(() => {
  if (document.visibilityState === 'visible') now.value = Date.now()
}, 1000)
