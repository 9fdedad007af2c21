// The library that the makers of chatnio published, which was made for browsers:
// it wants a global WebSocket, and connects again for ever once it is closed.
import { once } from 'node:events';
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import chatnio from 'chatnio';
import { key, kinds, url } from './lib/clients.js';

globalThis.WebSocket = WebSocket;
const open = [];

// chat waits for the socket, since the library looks for it only every half
// second.
async function chat(id) {
  const c = new chatnio.Chat(id);
  open.push(c);
  await once(c.connection, 'open');
  return c;
}

after(() => {
  for (const c of open) {
    c.init = () => {};
    c.close();
  }
});

// stream collects the frames of one turn.
function stream(c, data) {
  return new Promise((resolve) => {
    const frames = [];
    c.askStream(data, (frame) => {
      frames.push(frame);
      if (frame.end) resolve(frames);
    });
  });
}

for (const base of ['', '/api']) {
  const at = base || 'the root';
  const begin = () => {
    chatnio.setEndpoint(url + base);
    chatnio.setKey(key);
  };

  for (const kind of kinds) {
    test(`${at}, ${kind}: ask, on one socket, as one conversation`, async () => {
      begin();
      const c = await chat();
      const first = await c.ask({ message: 'one', model: `${kind}.recall` });
      assert.equal(first.message, 'user: one');
      const second = await c.ask({ message: 'two', model: `${kind}.recall` });
      assert.equal(second.message, 'user: one | assistant: user: one | user: two');
    });

    test(`${at}, ${kind}: every frame of a stream has its fields`, async () => {
      begin();
      const frames = await stream(await chat(), { message: 'hi', model: `${kind}.echo` });
      assert.equal(frames.map((f) => f.message).join(''), 'Hello, you said "hi" (n=1)');
      assert.ok(frames[0].conversation > 0 && frames[0].message === '');
      for (const f of frames) {
        assert.deepEqual(Object.keys(f), ['conversation', 'quota', 'keyword', 'message', 'end', 'plan']);
      }
      assert.deepEqual(frames.map((f) => f.end), frames.map((_, i) => i === frames.length - 1));
    });

    for (const script of ['fail-500', 'fail-400', 'long-9-slow-5-cut']) {
      test(`${at}, ${kind}: ${script} resolves with an error, and the socket goes on`, async () => {
        begin();
        const c = await chat();
        const frames = await stream(c, { message: 'hi', model: `${kind}.${script}-chatnio` });
        assert.notEqual(frames.at(-1).message, '', 'the end frame says what is wrong');
        assert.equal((await c.ask({ message: 'hi', model: 'mock.say' })).message, 'hi');
      });
    }
  }

  test(`${at}: conversations are listed, loaded, continued and deleted`, async () => {
    begin();
    const [frame] = await stream(await chat(), { message: 'remember me', model: 'mock.say' });
    const id = frame.conversation;
    const listed = (await chatnio.getConversations()).find((one) => one.id === id);
    assert.equal(listed.name, 'remember me');
    const loaded = await chatnio.getConversation(id);
    assert.deepEqual(loaded.message.map((m) => [m.role, m.content]), [['user', 'remember me'], ['assistant', 'remember me']]);
    const on = await stream(await chat(id), { message: 'and now', model: 'mock.recall' });
    assert.equal(on[0].conversation, id);
    assert.equal(on.map((f) => f.message).join(''), 'user: remember me | assistant: remember me | user: and now');
    assert.equal(await chatnio.deleteConversation(id), true);
    await assert.rejects(chatnio.getConversation(id));
    assert.ok(!(await chatnio.getConversations()).some((one) => one.id === id), 'it is still listed');
  });

  test(`${at}: quota, package and subscription`, async () => {
    begin();
    assert.equal(typeof await chatnio.getQuota(), 'number');
    assert.deepEqual(Object.keys(await chatnio.getPackage()).sort(), ['cert', 'teenager']);
    // The library reads a field that the real server does not send either: that it
    // does not throw is what can be asked.
    await chatnio.getSubscription();
  });

  test(`${at}: a model that nobody serves resolves`, async () => {
    begin();
    const got = await (await chat()).ask({ message: 'hi', model: 'no-such-model' });
    assert.notEqual(got.message, '');
  });

  test(`${at}: an unknown key is refused by the calls`, async () => {
    begin();
    chatnio.setKey('sk-unknown');
    await assert.rejects(chatnio.getConversations(), (e) => e.response.status === 401);
  });
}
