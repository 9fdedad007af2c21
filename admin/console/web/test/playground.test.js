import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, markup, open, over, readToken } from './kit.js'

let gateway, browser
before(async () => { [gateway, browser] = await Promise.all([Gateway.start(), browse()]) })
after(async () => { await browser?.close(); await gateway?.stop() })

test('every protocol of the fronts answers, with what went over the wire', async () => {
  const { protocols } = await gateway.api('GET', '/api/playground')
  assert.ok(protocols.length >= 5)
  const page = await open(browser)
  await enter(page, gateway, '/console/playground?model=small')
  await page.getByRole('textbox', { name: 'Question' }).fill('hello ' + markup)
  for (let i = 0; i < protocols.length; i += 2) {
    const two = protocols.slice(i, i + 2).map(p => p.name)
    await page.locator('#filter-left').selectOption('front:' + two[0])
    await page.locator('#filter-right').selectOption(two[1] ? 'front:' + two[1] : '')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    for (const name of two) {
      const answer = page.getByRole('region', { name: 'Answer of ' + name })
      await answer.getByText('you said "hello ' + markup).waitFor()
      await answer.getByText('ok', { exact: true }).first().waitFor()
      await answer.getByRole('list', { name: 'Channels that were asked' }).getByText(/vendor-[ab]/).waitFor()
      await page.locator(`.message.sent[data-lane="${name} front"]`).first().waitFor()
      await page.locator(`.message.received[data-lane="${name} front"]`).first().waitFor()
    }
  }
  assert.equal(await page.locator('img, main b:not([aria-label])').count(), 0, 'what goes over the wire stays text')
  assert.doesNotMatch(await page.locator('main').innerText(), /sk-/, 'no key is shown')
  await over(page)
})

test('a fault on the way is watched, and one channel is put beside another', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/playground?model=large')
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  const road = page.getByRole('list', { name: 'Channels that were asked' })
  await road.getByRole('listitem').filter({ hasText: 'spare' }).getByText('ok', { exact: true }).waitFor()
  await road.getByRole('listitem').filter({ hasText: 'shaky' }).first().waitFor()
  await page.locator('#filter-left').selectOption('channel:vendor-a')
  await page.locator('#filter-right').selectOption('channel:vendor-b')
  await page.getByLabel('Model', { exact: true }).fill('small')
  assert.match(page.url(), /left=channel%3Avendor-a&right=channel%3Avendor-b/)
  await page.reload()
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  for (const id of ['vendor-a', 'vendor-b']) await page.getByRole('region', { name: 'Answer of channel ' + id }).getByText('Hello, you said').waitFor()
  await over(page)
})

test('the read token asks nothing here', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/playground', readToken)
  await page.getByText('read only').waitFor()
  assert.match(await page.getByRole('button', { name: 'Ask', exact: true }).getAttribute('title'), /read token/)
  await over(page)
})
