// Owns how the tests in a real browser are run: one after the other, because each file starts processes of its own.

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['tests/*.browser.ts'], testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false },
})
