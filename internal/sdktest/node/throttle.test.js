import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, connect, libraries } from './lib/clients.js';

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
