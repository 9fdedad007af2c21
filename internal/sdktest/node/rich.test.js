import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, connect, libraries, richKinds } from './lib/clients.js';

const pixel = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

function checkCalls(got) {
  assert.equal(got.finish, 'tool');
  assert.deepEqual(got.calls.map((c) => c.name), ['get_weather', 'get_time']);
  for (const c of got.calls) assert.deepEqual(JSON.parse(c.args), { q: 'weather in "Paris"' });
  assert.ok(got.calls[0].id && got.calls[1].id && got.calls[0].id !== got.calls[1].id, 'the ids of the calls');
}

for (const library of libraries) {
  const c = connect(library);
  const ways = { whole: (q) => c.whole(q), streamed: (q) => c.stream(q, () => {}) };
  describe(library.name, () => {
    for (const kind of richKinds) {
      for (const [way, put] of Object.entries(ways)) {
        test(`${kind}: tools in parallel, ${way}, and back`, async () => {
          const q = { ...ask(`${kind}.tools`, 'weather in "Paris"'), tools: ['get_weather', 'get_time'] };
          const { calls, ...rest } = await put(q);
          checkCalls({ calls, ...rest });
          const results = ['18 degrees', 'noon'].map((text, i) => ({ id: calls[i].id, name: calls[i].name, text }));
          q.turns.push({ role: 'assistant', calls }, { role: 'tool', results });
          const got = await put(q);
          assert.equal(got.text, 'tool said: 18 degrees; noon');
          assert.equal(got.finish, 'stop');
        });

        test(`${kind}: reasoning, ${way}`, async () => {
          const got = await put(ask(`${kind}.reason`));
          assert.equal(got.reasoning, 'Let me think.');
          assert.equal(got.text, 'Hello, you said "hi" (n=1)');
        });
      }

      test(`${kind}: images`, async () => {
        const q = { model: `${kind}.image`, turns: [{ role: 'user', text: 'what are these?', images: [pixel, pixel] }] };
        assert.equal((await c.whole(q)).text, 'I see 2 images');
      });
    }
  });
}
