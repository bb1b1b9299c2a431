// Owns how the numbers are measured: alone, one after the other, and as long as it takes.

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: { include: ['tests/measure.ts'], testTimeout: 120_000, hookTimeout: 60_000, fileParallelism: false, disableConsoleIntercept: true },
})
