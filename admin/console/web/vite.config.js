// Builds ../dist, byte for byte the same from the same sources.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = fileURLToPath(new URL('.', import.meta.url))

// sources are all files that decide about the built ones, by their paths.
function sources() {
  const below = dir => readdirSync(here + dir, { recursive: true, withFileTypes: true })
    .filter(f => f.isFile())
    .map(f => (f.parentPath + '/' + f.name).slice(here.length))
  return ['index.html', 'package-lock.json', 'vite.config.js', ...below('public'), ...below('src')].sort()
}

// stamp writes the sum of the sources beside the built files, so that a test without Node
// sees that they belong together.
const stamp = {
  name: 'stamp',
  generateBundle() {
    const sum = createHash('sha256')
    for (const name of sources()) sum.update(name + '\0').update(readFileSync(here + name)).update('\0')
    this.emitFile({ type: 'asset', fileName: 'sources.sha256', source: sum.digest('hex') + '\n' })
  },
}

export default defineConfig({
  root: here,
  base: '/console/',
  plugins: [stamp],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { output: { entryFileNames: 'assets/[name]-[hash].js', chunkFileNames: 'assets/[name]-[hash].js', assetFileNames: 'assets/[name]-[hash][extname]' } },
  },
})
