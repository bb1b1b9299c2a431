// Owns who we are to the orchestrator. Promises: asked once; until it is known nothing that needs a role is offered. Never
// decides: the orchestrator refuses by itself, this only spares people buttons that would be refused.

import { signal } from '@preact/signals'
import { whoami } from './client'
import type { WhoAmI } from './types'

export type Role = 'read' | 'submit' | 'cancel' | 'operate'

export const me = signal<WhoAmI | undefined>(undefined)
export const whoTrouble = signal<unknown>(undefined)

export async function meet(): Promise<void> {
  try {
    me.value = await whoami()
  } catch (error) {
    whoTrouble.value = error
  }
}

/** May we do what needs this role? */
export const may = (role: Role): boolean => me.value?.roles.includes(role) ?? false
