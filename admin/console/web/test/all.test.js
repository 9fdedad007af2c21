// Every view: with data, with hostile names, without a serious finding of axe, and the same after a reload.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, markup, open, over } from './kit.js'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let gateway, browser, captured
before(async () => {
  [gateway, browser] = await Promise.all([Gateway.start(), browse()])
  await Promise.all([...Array(12)].map((_, i) => gateway.ask(i % 3 ? 'small' : 'large')))
  await gateway.ask(markup, markup, 'sk-markup-for-tests-only')
  await gateway.ask(markup + '-unknown', markup, 'sk-markup-for-tests-only')
  await gateway.api('POST', '/api/captures', { caller: 'alice', seconds: 3600 })
  await gateway.ask('small', 'to be looked at')
  const { exchanges } = await gateway.api('GET', '/api/captures')
  captured = `/console/requests?of=alice&id=${exchanges[0].id}&forms=${exchanges[0].at}`
})
after(async () => { await browser?.close(); await gateway?.stop() })

// names are the views that the page itself offers.
async function names(page) {
  const links = await page.getByRole('navigation').getByRole('link').all()
  return Promise.all(links.map(l => l.getAttribute('href')))
}

for (const [width, scheme] of [[1440, 'light'], [360, 'dark']]) {
  test(`axe finds nothing serious at ${width} pixels, ${scheme}`, async () => {
    const page = await open(browser, { viewport: { width, height: 800 }, colorScheme: scheme, bypassCSP: true })
    await enter(page, gateway)
    for (const href of [...await names(page), captured]) {
      await page.goto(gateway.url(href))
      await page.getByRole('heading', { level: 1 }).waitFor()
      if (href === captured) await page.getByText('to be looked at').first().waitFor()
      await page.getByText('All well').or(page.locator('.verdict.slow, .verdict.open')).first().waitFor()
      await page.evaluate(axe)
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
      const serious = violations.filter(v => ['serious', 'critical'].includes(v.impact))
      assert.deepEqual(serious.map(v => [href, v.id, v.nodes.slice(0, 3).map(n => n.html + ' ' + n.failureSummary)]), [])
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
      assert.ok(wide <= room, `${href} is ${wide} pixels wide, there are ${room}`)
    }
    await over(page)
  })
}

test('names with markup in them stay text', async () => {
  const page = await open(browser)
  await enter(page, gateway)
  for (const href of await names(page)) {
    await page.goto(gateway.url(href))
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.getByText('live', { exact: true }).waitFor()
    assert.equal(await page.locator('img, main b:not(.name)').count(), 0, href)
  }
  await page.goto(gateway.url('/console/requests?model=' + encodeURIComponent(markup)))
  await page.getByRole('button').filter({ hasText: markup }).first().click()
  await page.getByRole('region', { name: 'Request' }).getByText('Why it went there').waitFor()
  assert.equal(await page.locator('img, main b:not(.name)').count(), 0)
  assert.match(await page.title(), /Requests/)
  await over(page)
})
