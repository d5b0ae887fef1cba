// How two texts differ, word by word.

const MOST_WORDS = 1500;

function wordsOf(text) { return text.split(/\s+/).filter(Boolean); }

function compared(word) {
  return word.toLowerCase().normalize("NFKD").replace(/[^\p{L}\p{N}]/gu, "") || word;
}

// Pairs of a kind (same, gone, added) and words, in order; null where the texts are too long to compare.
function differences(before, after) {
  const [left, right] = [wordsOf(before), wordsOf(after)];
  if (left.length > MOST_WORDS || right.length > MOST_WORDS) return null;
  const [a, b] = [left.map(compared), right.map(compared)];
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width); // the longest common part of what follows
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] = a[i] === b[j]
        ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const parts = [];
  const add = (kind, word) => {
    const last = parts[parts.length - 1];
    if (last && last[0] === kind) last[1].push(word);
    else parts.push([kind, [word]]);
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { add("same", right[j]); i++; j++; }
    else if (i < a.length && (j === b.length || common[(i + 1) * width + j] >= common[i * width + j + 1])) add("gone", left[i++]);
    else add("added", right[j++]);
  }
  return parts;
}

// `after`, with what it lacks of `before` struck out and what it has besides marked.
function marked(before, after) {
  const parts = differences(before, after);
  if (!parts) return make("p", "text", after);
  const tags = { same: "span", gone: "del", added: "ins" };
  return make("p", "text", ...parts.flatMap(([kind, words]) => [make(tags[kind], "", words.join(" ")), " "]));
}
