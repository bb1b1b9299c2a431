// Owns how the client is built. Promises: everything is a file of our own origin, named by its content; nothing is
// inlined into the page, because the page is served under a policy that forbids it. Never fetches anything.

import { defineConfig } from 'vitest/config'

export default defineConfig({
  base: '/',
  build: {
    target: 'es2022',
    // No `data:` scripts or styles, and no helper script that would ask for a page twice.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  worker: { format: 'es' },
  server: {
    // `gorch proxy` holds the certificate while this is worked on.
    proxy: {
      '/v1': 'http://127.0.0.1:8080',
      '/openapi.json': 'http://127.0.0.1:8080',
    },
  },
  test: { include: ['src/**/*.test.ts'], benchmark: { include: ['src/**/*.bench.ts'] } },
})
