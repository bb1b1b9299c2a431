// Owns the budget of what is shipped. Promises: fails where all files together are more than 500 KiB gzipped.

import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const BUDGET = 500 * 1024
const dist = new URL('../dist/', import.meta.url)
const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
const sizes = files.map((entry) => gzipSync(readFileSync(`${entry.parentPath}/${entry.name}`)).length)
const total = sizes.reduce((sum, size) => sum + size, 0)
console.log(`${files.length} files, ${(total / 1024).toFixed(1)} KiB gzipped of ${BUDGET / 1024}`)
if (total > BUDGET) process.exit(1)
