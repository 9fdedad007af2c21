import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, connect, eventually, kinds, libraries, model } from './lib/clients.js';

// What each front says: status, error type, code, and the class that the
// library of the dialect's vendor raises.
const vendor = ['openai', 'anthropic', 'mock'];
const failures = {
  'fail-400': { of: vendor, openai: [400, 'invalid_request_error', '', 'BadRequestError'], anthropic: [400, 'invalid_request_error', '', 'BadRequestError'] },
  // A 404 of an openai channel says that it has not got the model; one that says nothing
  // of the question is the channel's own trouble.
  'fail-404': { of: ['openai'], openai: [404, 'invalid_request_error|not_found_error', 'model_not_found|', 'NotFoundError'], anthropic: [404, 'not_found_error|invalid_request_error', '', 'NotFoundError'] },
  'fail-404-echo': { of: ['anthropic'], openai: [502, 'server_error', 'MODEL_ERROR', 'InternalServerError'], anthropic: [502, 'api_error', '', 'InternalServerError'] },
  'fail-401': { of: kinds, openai: [503, 'server_error', 'CHANNEL_UNAVAILABLE', 'InternalServerError'], anthropic: [529, 'overloaded_error', '', 'OverloadedError'] },
  'fail-429-retry-9': { of: ['openai', 'anthropic', 'rest', 'mock'], openai: [429, 'rate_limit_error', 'rate_limit_exceeded', 'RateLimitError'], anthropic: [429, 'rate_limit_error', '', 'RateLimitError'] },
  'fail-500': { of: kinds, openai: [502, 'server_error', 'MODEL_ERROR', 'InternalServerError'], anthropic: [502, 'api_error', '', 'InternalServerError'] },
  error200: { of: kinds, openai: [502, 'server_error', 'MODEL_ERROR', 'InternalServerError'], anthropic: [502, 'api_error', '', 'InternalServerError'] },
};

// raises checks that promise fails with want.
async function raises(c, promise, [status, kind, code, cls]) {
  const err = await promise.then((got) => assert.fail(`no error but ${JSON.stringify(got)}`), (e) => e);
  const got = c.fault(err);
  assert.ok(got, `not the library's error: ${err.stack ?? err}`);
  assert.equal(got.status, status);
  assert.match(got.kind, new RegExp(`^(${kind})$`));
  assert.match(got.code, new RegExp(`^(${code})$`));
  if (got.cls !== 'APICallError') assert.equal(got.cls, cls);
}

for (const library of libraries) {
  const c = connect(library);
  describe(library.name, () => {
    for (const [script, f] of Object.entries(failures)) {
      for (const kind of f.of) {
        test(`${kind}: ${script}`, async () => {
          await raises(c, c.whole(ask(`${kind}.${script}-${library.name}`)), f[library.dialect]);
          await raises(c, c.stream(ask(`${kind}.${script}-${library.name}`), (s) => assert.fail(s)), f[library.dialect]);
        });
      }
    }

    test('a wrong key and an unknown model are told apart', async () => {
      const wrong = connect(library, { key: 'sk-wrong' });
      const [key, unknown] = library.dialect === 'openai'
        ? [[401, 'authentication_error', 'invalid_api_key', 'AuthenticationError'], [404, 'invalid_request_error', 'model_not_found', 'NotFoundError']]
        : [[401, 'authentication_error', '', 'AuthenticationError'], [404, 'not_found_error', '', 'NotFoundError']];
      await raises(wrong, wrong.whole(ask('mock.echo')), key);
      await raises(wrong, wrong.stream(ask('mock.echo'), () => {}), key);
      await raises(c, c.whole(ask('no-such-model')), unknown);
      if (c.model) await raises(c, c.model('no-such-model'), unknown);
    });

    for (const script of ['cut', 'errormid', 'garbagemid', 'noend']) {
      for (const kind of kinds) {
        // On iagent one reply is the whole answer, and nonsense on a shared socket
        // belongs to nobody.
        if (kind === 'iagent' && (script === 'noend' || script === 'garbagemid')) continue;
        test(`${kind}: ${script} is an error, never an end`, async () => {
          let text = '';
          let failed;
          const got = await c.stream(ask(`${kind}.long-9-slow-5-${script}-${library.name}`), (s) => { text += s; }).catch((err) => { failed = err; });
          assert.ok(failed, `a silent end: ${JSON.stringify(got)}`);
          if (c.models) assert.ok(c.fault(failed), `not the library's error: ${failed.stack}`);
          if (kind !== 'iagent') assert.ok(text.startsWith('w0 w1 '), `only ${text}`);
        });
      }
    }

    for (const kind of ['openai', 'anthropic', 'rest', 'chatnio']) {
      test(`${kind}: the model sees the client leave`, async () => {
        const before = await model('left');
        const leave = new AbortController();
        await assert.rejects(c.stream(ask(`${kind}.long-1000-slow-20`), () => leave.abort(), leave.signal));
        await eventually('the model sees it leave', async () => await model('left') === before + 1 && await model('active') === 0);
      });
    }
  });
}
