// Tags texts in a browser with an exported graph, as standalone.py does in Python.

import * as ort from "./lib/ort.wasm.min.mjs";
import { Decoder } from "./decoding.js";
import { Tokenizer } from "./lib/tokenizers.min.mjs";

const RUNTIME = "ort-wasm-simd-threaded.wasm";
const LIBRARIES = new URL("./lib/", import.meta.url).href;
ort.env.wasm.wasmPaths = LIBRARIES;
ort.env.wasm.numThreads = 1; // more need headers that a plain file server does not send

// Words as in words.py: up to 100 letters, digits and symbols, or one punctuation mark or Chinese character, each with
// the characters after it that BERT drops.
const DROPPED = "\\0-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\\p{Cf}\\p{Co}\\p{Cs}\\p{Mn}\\ufffd";
const CHINESE = "\\p{Unified_Ideograph}\\uf900-\\ufaff\\u{2f800}-\\u{2fa1f}";
const SINGLE = `!-\\/:-@\\[-\`\\{-~≠≮≯\\u1fef\\p{P}${CHINESE}`;
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\p{Z}";
const WORD = new RegExp(`[^${BLANK}${SINGLE}${DROPPED}][^${BLANK}${SINGLE}]{0,99}|[${SINGLE}][${DROPPED}]{0,99}`, "gu");

export class Tagger {
  // Loads the exported folder at a URL; `onProgress` is told the share of the bytes that are there, 0 to 1.
  static async load(folder = ".", onProgress = () => {}) {
    const read = async (name) => (await fetched(`${folder}/${name}`)).json();
    const tagger = new Tagger();
    tagger.settings = await read("settings.json");
    tagger.tokenizer = new Tokenizer(await read("tokenizer.json"), {});
    tagger.decoder = new Decoder(tagger.settings);
    let there = 0;
    const onBytes = (bytes) => onProgress(Math.min(1, (there += bytes) / tagger.settings.bytes));
    const urls = [`${folder}/model.onnx`, LIBRARIES + RUNTIME];
    const [model, runtime] = await Promise.all(urls.map((url) => bytesOf(url, onBytes)));
    ort.env.wasm.wasmBinary = runtime;
    tagger.session = await ort.InferenceSession.create(model);
    return tagger;
  }

  // Returns {words, entities}: entities have start, end (offsets in UTF-16), type and score; words also the gate after
  // which they exited, or Infinity.
  async tag(text) {
    const words = [...text.matchAll(WORD)].map(({ 0: word, index }) => ({ start: index, end: index + word.length }));
    const pieces = words.map(({ start, end }) => this.pieces(text.slice(start, end)));
    for (const window of windows(pieces, this.settings.max_rows - 2)) {
      await this.run(words, pieces, window);
    }
    return { words, entities: this.decoder.decode(text, words) };
  }

  pieces(word) {
    const { ids } = this.tokenizer.encode(" " + word.toWellFormed(), { add_special_tokens: false });
    return ids.length ? ids.slice(0, this.settings.max_rows - 2) : [this.settings.tokens[2]];
  }

  // Labels the words [own, ownEnd) of a window of the words [first, end).
  async run(words, pieces, { first, end, own, ownEnd }) {
    const { tokens, first_position: offset, numbers } = this.settings;
    const [ids, word, begins] = [[tokens[0]], [end - first], []];
    pieces.slice(first, end).forEach((ofWord, index) => {
      begins.push(ids.length);
      ids.push(...ofWord);
      word.push(...ofWord.map(() => index));
    });
    ids.push(tokens[1]);
    word.push(end - first);
    let real = 0; // rows before that are no padding tokens
    const positions = ids.map((id, row) => (!offset ? row : id === offset - 1 ? id : offset + real++));
    const integers = { input_ids: ids, position_ids: positions, position: ids.map((_, row) => row), word, first: begins };
    const inputs = {};
    for (const name of this.session.inputNames) {
      inputs[name] =
        name in integers
          ? new ort.Tensor("int64", BigInt64Array.from(integers[name], BigInt))
          : new ort.Tensor("float32", [numbers[name]], [1]);
    }
    const outputs = await this.session.run(inputs);
    const size = this.settings.labels.length;
    const gates = Object.keys(outputs).filter((name) => name.endsWith(".stays"));
    for (let index = own; index < ownEnd; index++) {
      const probabilities = outputs.labels.data.subarray((index - first) * size, (index - first + 1) * size);
      const exits = gates.filter((name) => !outputs[name].data[index - first]).map((name) => parseInt(name));
      Object.assign(words[index], { probabilities, gate: Math.min(...exits) });
    }
  }
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} is not there (${response.status})`);
  return response;
}

// The content of a file; `onBytes` is told the size of each part that arrives.
async function bytesOf(url, onBytes) {
  const parts = [];
  const reader = (await fetched(url)).body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    onBytes(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// Windows of words as in windows.py: each overlaps the next by a quarter, and the one in which a word is farthest from
// an edge labels it.
function windows(pieces, capacity) {
  const begins = [0];
  for (const ofWord of pieces) begins.push(begins.at(-1) + ofWord.length);
  const last = (limit) => begins.findLastIndex((begin) => begin <= limit);
  const ranges = [];
  const count = pieces.length;
  for (let first = 0, end = 0; end < count; ) {
    end = last(begins[first] + capacity);
    ranges.push({ first, end });
    first = Math.max(first + 1, last(begins[first] + capacity - Math.floor(capacity / 4)));
  }
  const distance = ({ first, end }, word) => {
    if (word < first || word >= end) return -1;
    const middle = (begins[word] + begins[word + 1]) / 2;
    return Math.min(first ? middle - begins[first] : Infinity, end < count ? begins[end] - middle : Infinity);
  };
  for (let word = 0; word < count; word++) {
    const window = ranges.reduce((best, other) => (distance(other, word) > distance(best, word) ? other : best));
    window.own ??= word;
    window.ownEnd = word + 1;
  }
  return ranges.filter(({ own }) => own !== undefined);
}
