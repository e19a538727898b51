// Loads the model and tags texts beside the page, which stays free to answer.
// It takes texts and posts {share} of the bytes loaded, {settings}, answers {text, words, entities, ms}, or {error}.

import { Tagger } from "./tagger.js";

const loading = Tagger.load(".", (share) => postMessage({ share }));
loading.then(({ settings }) => postMessage({ settings })).catch(report);

onmessage = async ({ data: text }) => {
  try {
    const tagger = await loading;
    const begin = performance.now();
    postMessage({ text, ...(await tagger.tag(text)), ms: performance.now() - begin });
  } catch (error) {
    report(error);
  }
};

function report({ message }) {
  postMessage({ error: message });
}
