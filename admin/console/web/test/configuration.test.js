import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, open, over, readToken } from './kit.js'

let gateway, browser
before(async () => { [gateway, browser] = await Promise.all([Gateway.start(), browse()]) })
after(async () => { await browser?.close(); await gateway?.stop() })

const onDisk = () => readFile(join(gateway.dir, 'dragoman.yaml'), 'utf8')
const weight = async () => (await gateway.api('GET', '/api/channels')).channels.find(c => c.id === 'vendor-b').weight

test('a configuration is edited, refused with its line, mended, applied and rolled back', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/configuration')
  const editor = page.getByLabel('Configuration', { exact: true })
  const text = await editor.inputValue()
  assert.ok(!text.includes('sk-alice'), 'secrets are masked')
  const line = text.split('\n').findIndex(l => l.includes('id: vendor-b')) + 1
  await editor.fill(text.replace('echo-first-80}], tier: 1, weight: 1', 'echo-first-80}], tier: 1, wait: 7'))
  const problems = page.getByRole('list', { name: 'Problems' })
  await problems.getByText('wait', { exact: false }).first().waitFor()
  await problems.getByRole('button', { name: 'Line ' + line, exact: true }).click()
  const at = await editor.evaluate(e => e.value.slice(0, e.selectionStart).split('\n').length)
  assert.equal(at, line, 'the caret is at the line that is wrong')
  const compare = page.getByRole('button', { name: 'See what changes' })
  assert.equal(await compare.getAttribute('aria-disabled'), 'true')
  await editor.fill(text.replace('echo-first-80}], tier: 1, weight: 1', 'echo-first-80}], tier: 1, weight: 7'))
  await page.getByText('Nothing is wrong with it').waitFor()
  await compare.click()
  await page.getByRole('region', { name: 'Changes' }).getByText('channels[vendor-b].weight').waitFor()
  assert.equal(await weight(), 1, 'nothing is applied before one says so')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByRole('dialog').getByText('1 change takes effect').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click()
  await page.getByText('It is applied.').waitFor()
  assert.equal(await weight(), 7)
  assert.ok((await onDisk()).includes('weight: 7') && (await onDisk()).includes('sk-alice'), 'the file has the change and its secrets')

  await page.getByRole('button', { name: 'Show revision 1' }).click()
  assert.equal(new URL(page.url()).search, '?revision=1')
  await page.reload()
  const old = page.getByRole('region', { name: 'Revision 1', exact: true })
  await old.getByText('channels[vendor-b].weight').waitFor()
  await old.getByRole('button', { name: 'Roll back to it' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Roll back to revision 1' }).click()
  await page.getByText('Revision 1 runs again.').waitFor()
  assert.equal(await weight(), 1)
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByText('Revision 3 runs again.').or(page.getByText('Revision 2 runs again.')).waitFor()
  assert.equal(await weight(), 7)
  await over(page)
})

test('a draft outlives a look at another view', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/configuration')
  const editor = page.getByLabel('Configuration', { exact: true })
  await editor.fill((await editor.inputValue()) + '# a remark\n')
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
  await page.getByRole('link', { name: 'Configuration' }).click()
  assert.match(await editor.inputValue(), /# a remark/)
  await page.getByRole('button', { name: 'Discard' }).click()
  assert.doesNotMatch(await editor.inputValue(), /# a remark/)
  await over(page)
})

test('the read token sees the text and changes nothing of it', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/configuration', readToken)
  const editor = page.getByLabel('Configuration', { exact: true })
  await page.getByText('read only').waitFor()
  assert.equal(await editor.evaluate(e => e.readOnly), true)
  const compare = page.getByRole('button', { name: 'See what changes' })
  assert.match(await compare.getAttribute('title'), /read token/)
  await over(page)
})
