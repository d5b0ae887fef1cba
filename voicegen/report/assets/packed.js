// What the page carries: blocks of base64, deflated, each in an element that no browser runs or reads as markup.

// The first block stands before the script, which does not wait for the others to be read: they are many in a large run.
const whole = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve, { once: true });
  else resolve();
});

async function unpacked(id) {
  if (id !== "head") await whole;
  const element = document.getElementById(id);
  if (!element) return null;
  const stream = new Blob([bytesOf(element.textContent)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function unpackedJson(id) {
  const bytes = await unpacked(id);
  return bytes && JSON.parse(new TextDecoder().decode(bytes));
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return bytes;
}

// The rows of a run. Their numbers are there at once; their texts come a block at a time, when they are asked for.
class Rows {
  constructor(head, prefix = "") {
    this.head = head;
    this.prefix = prefix; // of its blocks' names, where the page carries another run's, too
    this.length = head.numbers.index.length;
    this.measures = head.measures.filter((measure) => measure.name in head.numbers);
    this.blocks = new Map();
    this.haystacks = new Map();
    this.picturePlaces = new Map(head.pictures.rows.map((place, number) => [place, number]));
    this.pictureBlocks = new Map();
  }

  number(name, place) { return this.head.numbers[name]?.[place] ?? null; }

  category(name, place) {
    const category = this.head.categories[name];
    const code = category ? category.codes[place] : -1;
    return code < 0 ? null : category.names[code];
  }

  // A row's texts, by column, if its block has come; asks for the block.
  texts(place) {
    const number = Math.floor(place / this.head.block_rows);
    const block = this.blocks.get(number);
    if (block === undefined) { this.block(number); return null; }
    if (block instanceof Promise) return null;
    const within = place % this.head.block_rows;
    return Object.fromEntries(Object.entries(block).map(([name, values]) => [name, values[within]]));
  }

  block(number) {
    const known = this.blocks.get(number);
    if (known !== undefined) return Promise.resolve(known);
    const coming = unpackedJson(`${this.prefix}texts-${number}`).then((block) => {
      this.blocks.set(number, block);
      this.arrived?.((place) => Math.floor(place / this.head.block_rows) === number);
      return block;
    });
    this.blocks.set(number, coming);
    return coming;
  }

  // A row's texts, when its block has come.
  async whole(place) {
    await this.block(Math.floor(place / this.head.block_rows));
    return this.texts(place);
  }

  get first() { return "index"; } // what they are sorted by first

  get blockCount() { return Math.ceil(this.length / this.head.block_rows); }

  // Everything that a search looks in, in lower case; null for a block that has not come.
  haystack(place) {
    const number = Math.floor(place / this.head.block_rows);
    const block = this.blocks.get(number);
    if (block === undefined || block instanceof Promise) return null;
    if (!this.haystacks.has(number)) {
      const { id, question, answer, answer_spoken: spoken, asr_text: heard = [], error = [] } = block;
      this.haystacks.set(number, id.map((_, row) =>
        [id[row], question[row], answer[row], spoken[row], heard[row], error[row]].join("\n").toLowerCase()));
    }
    return this.haystacks.get(number)[place % this.head.block_rows];
  }

  // The peaks and the spectrogram of a row, as bytes; null where it has no picture.
  async picture(place) {
    const { together, width, bands } = this.head.pictures;
    const number = this.picturePlaces.get(place);
    if (number === undefined) return null;
    const block = Math.floor(number / together);
    if (!this.pictureBlocks.has(block)) this.pictureBlocks.set(block, unpacked(`${this.prefix}pictures-${block}`));
    const size = width * (1 + bands);
    const start = (number % together) * size;
    const bytes = (await this.pictureBlocks.get(block)).subarray(start, start + size);
    return bytes.some((value) => value) ? { peaks: bytes.subarray(0, width), levels: bytes.subarray(width) } : null;
  }
}

// How bad a row is by a measure; null where it has none.
function badness(measure, value) {
  if (value === null) return null;
  if (measure.worst === "far") return Math.abs(value - measure.median);
  return measure.worst === "high" ? value : -value;
}

function written(measure, value, unit = false) {
  if (value === null || value === undefined) return "";
  const number = value.toFixed(measure.digits);
  return unit && measure.unit ? `${number} ${measure.unit}` : number;
}

// An element with a class, and text or elements in it. Text is put in as text, whatever it holds.
function make(tag, className = "", ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content.filter((part) => part !== null && part !== undefined));
  return element;
}

function button(label, action, className = "") {
  const element = make("button", className, label);
  element.type = "button";
  element.addEventListener("click", action);
  return element;
}
