import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, connect, libraries, limited } from './lib/clients.js';

// The channel is throttled once, with a Retry-After that is too long for the
// gateway to wait for: it is the library that comes back.
describe('after a throttle', { concurrency: true }, () => {
  for (const library of libraries) {
    for (const kind of ['openai', 'anthropic', 'rest', 'mock']) {
      test(`${library.name} comes back to ${kind} when Retry-After says so, and succeeds`, async () => {
        let sent = 0;
        const c = connect(library, { retries: 2, fetch: (...args) => (sent++, fetch(...args)) });
        const began = performance.now();
        const got = await c.whole(ask(`${kind}.fail-429-retry-3-times-1-${library.name}`));
        assert.equal(got.text, 'Hello, you said "hi" (n=1)');
        assert.equal(sent, 2);
        assert.ok(performance.now() - began >= 2990, 'it came back too early');
      });
    }
  }
});

// counting is fetch, and notes who comes back before Retry-After says so.
function counting() {
  const c = { hinted: 0, early: [] };
  let next = 0;
  c.fetch = async (...args) => {
    // Timers may end a millisecond before their time.
    if (performance.now() < next - 2) c.early.push(next - performance.now());
    next = 0;
    const resp = await fetch(...args);
    const after = Number(resp.headers.get('retry-after'));
    if (resp.status === 429 && after > 0) {
      c.hinted++;
      next = performance.now() + after * 1000;
    }
    return resp;
  };
  return c;
}

// Each library has a key of its own, which may ask once a second.
describe('at the limit of its caller', { concurrency: true }, () => {
  for (const library of libraries) {
    test(`${library.name} comes back when the limit has room again, and succeeds`, async () => {
      for (const way of ['whole', 'stream']) {
        const sent = counting();
        const c = connect(library, { key: limited(library), retries: 2, fetch: sent.fetch });
        for (let n = 0; sent.hinted === 0; n++) { // a slow machine may make room before it is asked for
          assert.ok(n < 100, 'the limit never refused');
          const got = way === 'whole' ? await c.whole(ask('mock.echo')) : await c.stream(ask('mock.echo'), () => {});
          assert.equal(got.text, 'Hello, you said "hi" (n=1)');
        }
        assert.deepEqual(sent.early, [], `${way}: it came back too early`);
      }
    });
  }
});
