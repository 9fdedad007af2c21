// The endpoints beside chat, as OpenAI's own library asks them.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';
import { key, url } from './lib/clients.js';

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const model = 'openai.echo';

test('embeddings, as numbers and in base64', async () => {
  const raw = await openai.embeddings.create({ model, input: ['one', 'two words'], encoding_format: 'float', dimensions: 4 });
  assert.deepEqual(raw.data.map((d) => [d.index, d.embedding.length]), [[0, 4], [1, 4]]);
  assert.deepEqual(raw.usage, { prompt_tokens: 3, total_tokens: 3 });
  assert.ok(raw.model.startsWith('echo'));
});

test('completions, whole and streamed', async () => {
  const whole = await openai.completions.create({ model, prompt: 'hi' });
  assert.equal(whole.choices[0].text, 'you said hi');
  let text = '';
  for await (const piece of await openai.completions.create({ model, prompt: 'hi', stream: true })) text += piece.choices[0].text;
  assert.equal(text, 'you said hi');
});

test('moderations', async () => {
  const got = await openai.moderations.create({ model, input: ['good', 'bad'] });
  assert.deepEqual(got.results.map((r) => r.flagged), [false, true]);
});

test('a transcription of an upload, short and long, and a translation', async () => {
  for (const size of [10, 3 << 20]) {
    const file = await toFile(Buffer.alloc(size, 7), 'a.wav');
    const got = await openai.audio.transcriptions.create({ file, model });
    assert.equal(got.text, `a sound of ${size} bytes`);
  }
  const text = await openai.audio.transcriptions.create({ file: await toFile(Buffer.from('x'), 'a.wav'), model, response_format: 'text' });
  assert.equal(text, 'a sound of 1 bytes\n');
  const file = await toFile(Buffer.from('xy'), 'a.wav');
  assert.equal((await openai.audio.translations.create({ file, model })).text, 'a sound of 2 bytes');
});

test('images, made and edited', async () => {
  const made = await openai.images.generate({ model, prompt: 'a point' });
  assert.match(made.data[0].b64_json, /^iVBOR/);
  const image = await toFile(Buffer.from(made.data[0].b64_json, 'base64'), 'a.png', { type: 'image/png' });
  const edited = await openai.images.edit({ model, image, prompt: 'another' });
  assert.match(edited.data[0].b64_json, /^iVBOR/);
});

test('speech is binary', async () => {
  const got = await openai.audio.speech.create({ model, voice: 'alloy', input: 'hi' });
  assert.equal(got.headers.get('content-type'), 'audio/mpeg');
  assert.equal(Buffer.from(await got.arrayBuffer()).subarray(0, 3).toString(), 'ID3');
});

test('what cannot be done is told as the library knows it', async () => {
  await assert.rejects(openai.embeddings.create({ model: 'openai.fail-400-openai', input: 'x' }), OpenAI.BadRequestError);
  await assert.rejects(openai.embeddings.create({ model: 'rest.echo', input: 'x' }), OpenAI.NotFoundError);
  await assert.rejects(openai.embeddings.create({ model: 'nothing', input: 'x' }), (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found');
  await assert.rejects(openai.files.list(), (e) => e instanceof OpenAI.NotFoundError && /not served here/.test(e.message));
});
