import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, connect, kinds, libraries, richKinds } from './lib/clients.js';

const hello = 'Hello, you said "hi" (n=1)';

// check compares an answer to "hi" with what the script says.
function check(got, kind) {
  assert.equal(got.text, hello);
  assert.equal(got.finish, 'stop');
  assert.equal(got.model, `echo-${kind}`);
  assert.ok(got.input > 0 && got.output > 0, `usage ${got.input} and ${got.output}`);
  if (kind === 'openai' || kind === 'anthropic') assert.deepEqual([got.input, got.output], [1, 5]);
}

for (const library of libraries) {
  const c = connect(library);
  describe(library.name, () => {
    for (const kind of kinds) {
      test(`${kind}: whole`, async () => check(await c.whole(ask(`${kind}.echo`)), kind));

      test(`${kind}: streamed`, async () => {
        const pieces = [];
        check(await c.stream(ask(`${kind}.echo`), (s) => pieces.push(s)), kind);
        assert.equal(pieces.join(''), hello);
        assert.ok(kind === 'iagent' || pieces.length > 1, 'it came in one piece');
      });

      test(`${kind}: every character arrives`, async () => {
        const text = '漢字 👩‍👩‍👧‍👦 שלום e\u0301 "q" \\ / <b>&amp;</b> \u2028 𝄞 \ttab\nline';
        assert.equal((await c.whole(ask(`${kind}.say`, text))).text, text);
        assert.equal((await c.stream(ask(`${kind}.say`, text), () => {})).text, text);
      });

      test(`${kind}: the system prompt and the history arrive`, async () => {
        const q = ask(`${kind}.recall`, 'first');
        q.system = 'Be brief.';
        q.turns.push({ role: 'assistant', text: 'second' }, { role: 'user', text: 'third' });
        const { text } = await c.whole(q);
        if (kind === 'rest' || kind === 'iagent') {
          assert.match(text, /Be brief\.[^]*first[^]*second[^]*third/);
        } else {
          assert.equal(text, 'system: Be brief. | user: first | assistant: second | user: third');
        }
      });

      test(`${kind}: a conversation goes on`, async () => {
        const begin = `user: begin with ${library.name}`;
        const q = ask(`${kind}.recall`, `begin with ${library.name}`);
        const first = await c.stream(q, () => {});
        assert.equal(first.text, begin);
        q.turns.push({ role: 'assistant', text: first.text }, { role: 'user', text: 'go on' });
        const { text } = await c.whole(q);
        if (library.name === 'ai-responses' && (kind === 'rest' || kind === 'iagent')) {
          // It has each question stored as a conversation of its own, which no channel remembers.
          assert.match(text, /begin with[^]*assistant: user: begin with[^]*go on/);
        } else {
          assert.equal(text, `${begin} | assistant: ${begin} | user: go on`);
        }
      });
    }

    for (const kind of richKinds) {
      test(`${kind}: an answer ends for its length`, async () => {
        assert.equal((await c.whole(ask(`${kind}.length`))).finish, 'length');
      });
    }

    test('models are listed and found one by one', { skip: !c.models && 'it knows no models' }, async () => {
      const ids = await c.models();
      for (const kind of kinds) {
        assert.ok(ids.includes(`${kind}.recall`), `${kind}.recall is not listed`);
        assert.equal(await c.model(`${kind}.recall`), `${kind}.recall`);
      }
    });
  });
}
