// Google's own client, which has the model in the path and speaks a dialect of its own.
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { ApiError, GoogleGenAI } from '@google/genai';
import { key, kinds, richKinds, url } from './lib/clients.js';

const dial = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
const ai = dial(key);
const hello = 'Hello, you said "hi" (n=1)';
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

for (const kind of [...kinds, 'gemini']) {
  describe(kind, () => {
    const model = `${kind}.echo`;

    test('whole', async () => {
      const got = await ai.models.generateContent({ model, contents: 'hi' });
      assert.equal(got.text, hello);
      assert.equal(got.candidates[0].finishReason, 'STOP');
      assert.equal(got.modelVersion, `echo-${kind}`);
      assert.ok(got.usageMetadata.promptTokenCount > 0 && got.usageMetadata.candidatesTokenCount > 0 && got.responseId);
    });

    test('streamed', async () => {
      let text = '';
      let last;
      let pieces = 0;
      for await (const chunk of await ai.models.generateContentStream({ model, contents: 'hi' })) {
        text += chunk.text ?? '';
        pieces++;
        last = chunk;
      }
      assert.equal(text, hello);
      assert.ok(kind === 'iagent' || pieces > 2, 'it came in one piece');
      assert.equal(last.candidates[0].finishReason, 'STOP');
      assert.ok(last.usageMetadata.totalTokenCount > 0);
    });

    test('a chat goes on, whole and streamed', async () => {
      const chat = ai.chats.create({ model: `${kind}.recall`, config: { systemInstruction: 'Be brief.' } });
      await chat.sendMessage({ message: 'one' });
      for await (const _ of await chat.sendMessageStream({ message: 'two' }));
      const { text } = await chat.sendMessage({ message: 'three' });
      assert.match(text, /Be brief\.[^]*one[^]*two[^]*three/);
      assert.ok(chat.getHistory(true).length >= 6); // a streamed answer is several of them
    });
  });
}

for (const kind of [...richKinds, 'gemini']) {
  test(`${kind}: functions, their results, and thoughts`, async () => {
    const functionDeclarations = ['look', 'now'].map((name) => ({ name, parametersJsonSchema: { type: 'object', properties: { q: { type: 'string' } } } }));
    const chat = ai.chats.create({ model: `${kind}.tools`, config: { tools: [{ functionDeclarations }] } });
    const { functionCalls } = await chat.sendMessage({ message: 'hi' });
    assert.deepEqual(functionCalls.map((c) => [c.name, c.args]), [['look', { q: 'hi' }], ['now', { q: 'hi' }]]);
    const message = functionCalls.map((c) => ({ functionResponse: { id: c.id, name: c.name, response: { output: `${c.name} ok` } } }));
    assert.equal((await chat.sendMessage({ message })).text, 'tool said: look ok; now ok');
    const thought = await ai.models.generateContent({ model: `${kind}.reason`, contents: 'hi', config: { thinkingConfig: { includeThoughts: true } } });
    assert.equal(thought.candidates[0].content.parts.filter((p) => p.thought).map((p) => p.text).join(''), 'Let me think.');
    assert.equal(thought.text, hello);
  });

  test(`${kind}: images`, async () => {
    const contents = [{ inlineData: { mimeType: 'image/png', data: pixel } }, 'what is this?'];
    assert.equal((await ai.models.generateContent({ model: `${kind}.image`, contents })).text, 'I see 1 images');
  });
}

test('tokens are counted', async () => {
  assert.ok((await ai.models.countTokens({ model: 'mock.echo', contents: 'one two three' })).totalTokens > 0);
});

test('models are listed and found one by one', async () => {
  const names = [];
  for await (const m of await ai.models.list()) names.push(m.name);
  assert.ok(names.includes('models/mock.echo'));
  assert.equal((await ai.models.get({ model: 'mock.echo' })).name, 'models/mock.echo');
});

describe('failures are the library\'s own errors', () => {
  const fails = async (client, model, status, word) => {
    for (const ask of [
      () => client.models.generateContent({ model, contents: 'hi' }),
      async () => { for await (const _ of await client.models.generateContentStream({ model, contents: 'hi' })); },
    ]) {
      await assert.rejects(ask(), (err) => {
        assert.ok(err instanceof ApiError, err.stack);
        const { error } = JSON.parse(err.message);
        assert.deepEqual([err.status, error.code, error.status], [status, status, word]);
        return true;
      });
    }
  };

  test('a wrong key', () => fails(dial('sk-wrong'), 'mock.echo', 401, 'UNAUTHENTICATED'));
  test('an unknown model', () => fails(ai, 'nobody', 404, 'NOT_FOUND'));
  test('a throttled model says when to come back', async () => {
    await fails(ai, 'mock.fail-429-retry-9-openai', 429, 'RESOURCE_EXHAUSTED');
    await assert.rejects(ai.models.generateContent({ model: 'mock.fail-429-retry-9-openai', contents: 'hi' }), /retryDelay.*\d+s/);
  });
  test('an answer that breaks off is an error, never an end', async () => {
    let text = '';
    await assert.rejects(async () => {
      for await (const chunk of await ai.models.generateContentStream({ model: 'openai.long-9-slow-5-cut-openai', contents: 'hi' })) text += chunk.text ?? '';
    }, (err) => err instanceof ApiError);
    assert.ok(text.startsWith('w0 w1 '), text);
  });
});
