import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, open, over, readToken } from './kit.js'

let gateway, browser
before(async () => { [gateway, browser] = await Promise.all([Gateway.start(), browse()]) })
after(async () => { await browser?.close(); await gateway?.stop() })

test('a key is made and shown once, used, refused by its limit, and revoked', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/limits')
  await page.getByLabel('Name of the caller').fill('dora')
  await page.locator('select[name=limits]').selectOption('tight')
  await page.getByRole('button', { name: 'Make a key' }).click()
  await page.getByRole('dialog').getByText('dora may ask with the key that is made, under the limits tight').waitFor()
  await page.keyboard.press('Enter')
  const secret = await page.locator('.secret').textContent()
  await page.getByRole('button', { name: 'I have it' }).click()
  assert.equal(await page.locator('.secret').count(), 0)
  assert.ok(!(await page.content()).includes(secret), 'it is shown once')
  for (let i = 0; i < 3; i++) assert.equal(await gateway.ask('small', 'hello', secret), 200)
  assert.equal(await gateway.ask('small', 'hello', secret), 429)
  await page.getByRole('region', { name: 'Use of limits' }).getByRole('row').filter({ hasText: 'dora' }).getByText('used up').waitFor()
  await page.getByRole('region', { name: 'Who was refused' }).getByRole('row').filter({ hasText: 'dora' }).getByText('limits tight').waitFor()
  const whatIf = page.getByRole('region', { name: 'Would it be let in?' })
  while (await gateway.ask('small', 'hello', 'sk-carol-for-tests-only') === 200);
  await whatIf.getByLabel('Caller, or id of a key').fill('carol')
  await whatIf.getByRole('button', { name: 'Ask' }).click()
  await whatIf.getByText('It would be refused.').waitFor()
  await whatIf.getByText('By tight').waitFor()
  await page.getByRole('button', { name: 'Revoke the key of dora' }).click()
  await page.getByRole('dialog').getByText('It cannot be undone').waitFor()
  await page.keyboard.press('Enter')
  await page.getByText('The key of dora is revoked.').waitFor()
  assert.equal(await gateway.ask('small', 'hello', secret), 401)
  await over(page)
})

test('counts of one of several processes are told as such', async () => {
  const page = await open(browser)
  const all = await gateway.api('GET', '/api/limits')
  assert.equal(all.this_process_only, false)
  await page.route('**/api/limits', r => r.fulfill({ json: { ...all, this_process_only: true } }))
  await enter(page, gateway, '/console/limits')
  await page.getByText('these are the counts of this one').waitFor()
  await page.unroute('**/api/limits')
  await page.getByText('these are the counts of this one').waitFor({ state: 'detached' })
  await over(page)
})

test('the read token asks what would be, and makes no key', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/limits', readToken)
  await page.getByText('read only').waitFor()
  assert.match(await page.getByRole('button', { name: 'Make a key' }).getAttribute('title'), /read token/)
  const whatIf = page.getByRole('region', { name: 'Would it be let in?' })
  await whatIf.getByLabel('Caller, or id of a key').fill('alice')
  await whatIf.getByRole('button', { name: 'Ask' }).click()
  await whatIf.getByText('It would be let in.').waitFor()
  await over(page)
})
