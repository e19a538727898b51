// Labels and entities from label distributions, as decoding.py and abbreviations.py do in Python.

const CERTAIN = 0.95;
const IMPOSSIBLE = -1e4;
const IOB1 = 0.2;
const LEAST = 1e-9;

export class Decoder {
  // `names` of the labels, O first; `transitions`, `constraints` and `abbreviations` as settings.json has them.
  constructor({ labels: names, transitions, constraints, abbreviations }) {
    Object.assign(this, { transitions, constraints, abbreviations });
    this.labels = names.map(parsed);
    const known = (type, prefixes) => [...prefixes].every((p) => this.labels.some(([q, t]) => q === p && t === type));
    const cannotBegin = ([prefix, type]) => "IE".includes(prefix) && known(type, "B");
    const cannotEnd = ([prefix, type]) => (prefix === "B" && known(type, "ES")) || (prefix === "I" && known(type, "BE"));
    this.mayFollow = this.labels.map((before) =>
      this.labels.map((label) => continues(before, label) || !(cannotBegin(label) || cannotEnd(before))));
    this.mayBeIob1 = [...new Set(this.labels.map(([prefix]) => prefix))].sort().join("") === "BIO";
    this.scores = this.mayFollow.map((row, before) =>
      row.map((may, label) => (may ? (transitions?.[before][label] ?? 0) : IMPOSSIBLE)));
  }

  // Sets `label` and `score` of words that have `start`, `end` and `probabilities`; returns the entities of the text.
  decode(text, words) {
    const likeliest = words.map(({ probabilities }) => probabilities.indexOf(Math.max(...probabilities)));
    let labels = this.constraints ? this.bestSequence(words, likeliest) : likeliest;
    let entities = this.spans(words, labels);
    if (this.abbreviations) ({ entities, labels } = this.withAbbreviations(text, words, entities, labels));
    words.forEach((word, index) => Object.assign(word, { label: labels[index], score: word.probabilities[labels[index]] }));
    return entities;
  }

  bestSequence(words, likeliest) {
    const valid = [...likeliest, 0].map((label, index) => this.mayFollow[index ? likeliest[index - 1] : 0][label]);
    if (!this.transitions) {
      const invalid = valid.filter((is) => !is).length;
      const begins = ({ probabilities }) => this.labels.reduce((sum, [p], label) => sum + (p === "B" ? probabilities[label] : 0), 0);
      const isIob1 = words.reduce((sum, word) => sum + begins(word), 0) < IOB1 * invalid;
      if (!invalid || (this.mayBeIob1 && isIob1)) return likeliest;
    }
    const labels = [...likeliest];
    const uncertain = words.map(({ probabilities }, index) =>
      !valid[index] || !valid[index + 1] || Math.max(...probabilities) < CERTAIN);
    for (let first = uncertain.indexOf(true); first >= 0; ) {
      let end = uncertain.indexOf(false, first);
      if (end < 0) end = words.length;
      const [before, after] = [first ? likeliest[first - 1] : 0, likeliest[end] ?? 0];
      labels.splice(first, end - first, ...this.viterbi(words.slice(first, end), before, after));
      first = uncertain.indexOf(true, end);
    }
    return labels;
  }

  // The best labels of a run of words between two labels.
  viterbi(words, before, after) {
    const log = ({ probabilities }) => [...probabilities].map((p) => Math.log(Math.max(p, LEAST)));
    let best = log(words[0]).map((score, label) => score + this.scores[before][label]);
    const back = words.slice(1).map((word) => {
      const emissions = log(word);
      const from = emissions.map((_, label) => highest(best.map((score, other) => score + this.scores[other][label])));
      best = emissions.map((score, label) => best[from[label]] + this.scores[from[label]][label] + score);
      return from;
    });
    const path = [highest(best.map((score, label) => score + this.scores[label][after]))];
    back.reverse().forEach((from) => path.unshift(from[path[0]]));
    return path;
  }

  spans(words, labels) {
    const entities = [];
    words.forEach(({ start, end, probabilities }, index) => {
      const label = this.labels[labels[index]];
      const score = probabilities[labels[index]];
      if (label[0] === "O") return;
      if (index && continues(this.labels[labels[index - 1]], label)) {
        const entity = entities.at(-1);
        Object.assign(entity, { end, score: Math.min(entity.score, score) });
      } else {
        entities.push({ start, end, type: label[1], score });
      }
    });
    return entities;
  }

  withAbbreviations(text, words, entities, labels) {
    labels = [...labels];
    const starts = new Map(words.map(({ start }, index) => [start, index]));
    const ends = new Map(words.map(({ end }, index) => [end, index]));
    const done = new Set();
    for (const { short: [from, to], long: [start, end] } of findAbbreviations(text)) {
      const short = text.slice(from, to);
      if (done.has(short)) continue;
      done.add(short);
      const overlapping = entities.filter((entity) => entity.start < end && entity.end > start);
      const same = overlapping.find((e) => e.end === end && e.start >= start && 2 * (end - e.start) >= end - start);
      if (overlapping.length && !same) continue;
      for (let at = text.indexOf(short); at >= 0; ) {
        const until = at + short.length;
        const covered = entities.filter((entity) => entity.start < until && entity.end > at);
        const inside = covered.every((entity) => at <= entity.start && entity.end <= until);
        const exact = covered.length === 1 && covered[0].start === at && covered[0].end === until;
        if (starts.has(at) && ends.has(until) && inside && (same || exact)) {
          entities = entities.filter((entity) => !covered.includes(entity));
          if (same) entities.push({ ...same, start: at, end: until });
          const [first, last] = [starts.get(at), ends.get(until)];
          for (let index = first; index <= last; index++) {
            labels[index] = same ? this.labelOf(same.type, index === first, index === last) : 0;
          }
        }
        at = text.indexOf(short, until);
      }
    }
    return { entities: entities.sort((one, other) => one.start - other.start || one.end - other.end), labels };
  }

  // The label of a type for a word that is first or last in an entity, by the prefixes that the scheme has.
  labelOf(type, isFirst, isLast) {
    const prefixes = isFirst ? (isLast ? "SBI" : "BI") : isLast ? "EI" : "I";
    const found = [...prefixes, ..."BIES"].map((prefix) => this.labels.findIndex(([p, t]) => p === prefix && t === type));
    return found.find((label) => label >= 0);
  }
}

function continues([before, type], [prefix, same]) {
  return "BI".includes(before) && "IE".includes(prefix) && type === same;
}

function highest(scores) {
  return scores.indexOf(Math.max(...scores));
}

// Prefix (O, B, I, E or S) and type of a label.
function parsed(name) {
  if (name === "O") return ["O", ""];
  const match = name.match(/^([BIESLUMW])[-_](.+)$/s);
  return match ? [{ L: "E", U: "S", M: "I", W: "S" }[match[1]] ?? match[1], match[2]] : ["I", name];
}

// Definitions of abbreviations as {short, long}, character ranges of both, after Schwartz and Hearst 2003.
function findAbbreviations(text) {
  const found = [];
  for (const match of text.matchAll(/\(([^()]*)\)/g)) {
    const before = text.slice(0, match.index).trimEnd().length;
    const inside = trimmed(text, match.index + 1, match.index + match[0].length - 1);
    const cut = text.slice(...inside).search(/[;,]\s/);
    const first = cut < 0 ? inside : trimmed(text, inside[0], inside[0] + cut);
    const isFirst = isShortForm(text.slice(...first));
    const short = isFirst ? first : [text.slice(0, before).lastIndexOf(" ") + 1, before];
    if (!isShortForm(text.slice(...short))) continue;
    const long = longForm(text, short, isFirst ? [0, before] : inside);
    if (long) found.push({ short, long });
  }
  return found;
}

function trimmed(text, start, end) {
  const part = text.slice(start, end);
  return [start + part.length - part.trimStart().length, end - part.length + part.trimEnd().length];
}

function isShortForm(text) {
  const words = text.split(/\s+/).length;
  return [...text].length >= 2 && [...text].length <= 10 && words <= 2 && /^[\p{L}\p{N}]/u.test(text) && /\p{L}/u.test(text);
}

function longForm(text, [from, to], [begin, end]) {
  const short = text.slice(from, to);
  let at = end;
  for (let index = short.length - 1; index >= 0; index--) {
    if (!/[\p{L}\p{N}]/u.test(short[index])) continue;
    const differs = () => text[at].toLowerCase() !== short[index].toLowerCase();
    const isWithin = () => index === 0 && at > begin && /[\p{L}\p{N}]/u.test(text[at - 1]);
    for (at--; at >= begin && (differs() || isWithin()); ) at--;
    if (at < begin) return null;
  }
  const start = Math.max(begin, text.slice(0, at + 1).lastIndexOf(" ") + 1);
  const words = text.slice(start, end).split(/\s+/).filter(Boolean);
  const most = Math.min(short.length + 5, 2 * short.length);
  return end - start > short.length && words.length <= most && !words.includes(short) ? [start, end] : null;
}
