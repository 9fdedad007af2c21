// The committed files are those that the sources build, byte for byte.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { build } from 'vite'

const web = new URL('..', import.meta.url).pathname

async function files(root) {
  const found = await readdir(root, { recursive: true, withFileTypes: true })
  return found.filter(f => f.isFile()).map(f => join(f.parentPath, f.name).slice(root.length + 1)).sort()
}

test('a build of the sources gives the committed files', async () => {
  const out = await mkdtemp(join(tmpdir(), 'console-dist-'))
  await build({ configFile: join(web, 'vite.config.js'), logLevel: 'warn', build: { outDir: out } })
  const dist = join(web, '../dist')
  assert.deepEqual(await files(dist), await files(out))
  for (const name of await files(out)) assert.ok((await readFile(join(out, name))).equals(await readFile(join(dist, name))), name + ' differs')
  await rm(out, { recursive: true })
})
