// Two runs side by side: their rows as if they were of one, their totals, and a row of both.

const SIDES = ["before", "after"];
const NO_MARKS = { get: () => null, size: 0 }; // of two runs, a mark would be of either

// Rows of either run, matched. Each is shown as the second run has it, or as the first where the second lacks it.
class Pairs {
  constructor(head) {
    const { pair } = head;
    this.pair = pair;
    this.runs = { before: new Rows(pair.before, "before-"), after: new Rows(head) };
    this.length = pair.places.after.length;
    const { before, after } = this.runs;
    const known = new Map(before.measures.map((measure) => [measure.name, measure]));
    this.measures = [
      ...after.measures.map((measure) => ({ ...measure, before: known.get(measure.name) })),
      ...before.measures.filter(({ name }) => !(name in head.numbers)).map((measure) => ({ ...measure, histogram: null })),
    ];
    this.head = { numbers: this.numbers(), categories: this.categories(head.categories), pictures: head.pictures };
    for (const side of SIDES) {
      this.runs[side].arrived = (concerns) => this.arrived?.((place) => this.of(side, place) >= 0 && concerns(this.of(side, place)));
    }
  }

  get first() { return "difference"; }

  // The place of a row in one run's own rows; below 0 where it lacks it.
  of(side, place) { return this.pair.places[side][place]; }

  // The runs that have a row, the one it is shown of first.
  having(place) { return ["after", "before"].filter((side) => this.of(side, place) >= 0); }

  shown(place, found) {
    const side = this.of("after", place) >= 0 ? "after" : "before";
    return found(this.runs[side], this.of(side, place));
  }

  each(found) { return Array.from({ length: this.length }, (_, place) => this.shown(place, found)); }

  numbers() {
    const names = ["index", ...this.measures.map(({ name }) => name)];
    const numbers = Object.fromEntries(names.map((name) => [name, this.each((rows, place) => rows.number(name, place))]));
    return { ...numbers, difference: this.pair.difference.ranks };
  }

  categories(own) {
    const names = new Set([...Object.keys(own), ...Object.keys(this.pair.before.categories)]);
    names.delete("mark");
    const categories = [...names].map((name) => {
      const values = this.each((rows, place) => rows.category(name, place));
      const codes = new Map([...new Set(values)].filter((value) => value !== null).map((value, code) => [value, code]));
      return [name, { names: [...codes.keys()], codes: values.map((value) => codes.get(value) ?? -1) }];
    });
    return { difference: this.pair.difference, ...Object.fromEntries(categories) };
  }

  number(name, place) { return this.head.numbers[name]?.[place] ?? null; }

  category(name, place) {
    const category = this.head.categories[name];
    const code = category ? category.codes[place] : -1;
    return code < 0 ? null : category.names[code];
  }

  texts(place) { return this.shown(place, (rows, own) => rows.texts(own)); }

  haystack(place) {
    const found = this.having(place).map((side) => this.runs[side].haystack(this.of(side, place)));
    return found.includes(null) ? null : found.join("\n");
  }

  get blockCount() { return this.runs.after.blockCount + this.runs.before.blockCount; }

  block(number) {
    const { before, after } = this.runs;
    return number < after.blockCount ? after.block(number) : before.block(number - after.blockCount);
  }
}

// Totals of both runs, and medians of rows that are good in both, with what became of them.
function drawComparison(element, head) {
  const runs = [head.pair.before, head];
  const speed = ({ seconds, compute }) => (seconds && compute ? seconds / compute : null);
  const longest = Math.max(...runs.map(({ totals }) => totals.seconds ?? 0));
  const [second, unit] = longest >= 3600 ? [3600, "h"] : longest >= 60 ? [60, "min"] : [1, "s"];
  const counted = (label, name) => [label, runs.map(({ totals }) => totals[name]), 0, ""];
  const totals = [
    counted("Rows", "rows"), counted("Rows of the input", "input"), counted("Good", "ok"), counted("Rejected", "rejected"), counted("Failed", "failed"), counted("Takes made", "takes"),
    ["Audio of good rows", runs.map(({ totals: { seconds } }) => (seconds === null ? null : seconds / second)), 1, unit],
    ["Word errors of good rows", runs.map(({ totals: { wer } }) => (wer === null ? null : 100 * wer)), 1, "%"],
    ["Speed", runs.map(({ totals }) => speed(totals)), 1, "× real time"],
  ];
  const medians = head.pair.medians.map(({ label, values, digits, unit }) => [label, values, digits, unit]);
  const names = runs.map(({ run }) => run.name);
  element.className = "two";
  element.replaceChildren(comparison("Totals", names, totals), comparison("Medians of rows good in both", names, medians));
}

// A table of numbers in two columns, and the difference; those that neither run has are left out.
function comparison(title, names, entries) {
  const known = entries.filter(([, values]) => values.some((value) => value !== null));
  return make("table", "comparison",
    make("thead", "", cellsOf("th", title, ...names, "difference")),
    make("tbody", "", ...known.map(([label, values, digits, unit]) =>
      cellsOf("td", unit ? `${label} (${unit})` : label, ...values.map((value) => figure(value, digits)), change(values, digits)))));
}

function cellsOf(tag, ...cells) {
  return make("tr", "", ...cells.map((cell) => make(tag, cell === "=" ? "quiet" : "", cell)));
}

function figure(value, digits) {
  return value === null ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function change([before, after], digits) {
  if (before === null || after === null) return "";
  const text = figure(Math.abs(after - before), digits);
  if (!/[1-9]/.test(text)) return "=";
  return `${after > before ? "+" : "−"}${text}`;
}

// One row of both runs: its clips one below the other, and its texts with what became of them marked.
class PairDetail {
  constructor(rows, element, closed) {
    Object.assign(this, { rows, element, closed });
    this.players = Object.fromEntries(SIDES.map((side) => [side, { own: new Player(() => {}), question: new Player(() => {}) }]));
    this.all = SIDES.flatMap((side) => Object.values(this.players[side]));
    for (const player of this.all) {
      player.audio.addEventListener("play", () => {
        this.player = player;
        for (const other of this.all) if (other !== player) other.audio.pause();
      });
    }
    this.empty();
  }

  empty() {
    this.place = null;
    for (const player of this.all) player.audio.pause();
    this.player = this.players.after.own;
    this.element.classList.remove("open");
    this.element.replaceChildren(make("p", "quiet hint", "Choose a row to hear it as it was and as it is."));
  }

  draw() { for (const player of this.all) player.draw(); }

  // Plays the clip of the run that was not played last, from its beginning.
  other() {
    const { before, after } = this.players;
    const player = Object.values(before).includes(this.player) ? after.own : before.own;
    if (this.place !== null) player.play(0);
  }

  async show(place) {
    this.place = place;
    const having = this.rows.having(place);
    const texts = Object.fromEntries(await Promise.all(having.map(async (side) =>
      [side, await this.rows.runs[side].whole(this.rows.of(side, place))])));
    if (this.place !== place) return;
    for (const player of this.all) player.audio.pause();
    this.player = this.players[having[0]].own;
    const what = this.rows.category("difference", place);
    const close = button("✕", () => this.closed(), "ghost close");
    close.setAttribute("aria-label", "Close");
    this.element.replaceChildren(
      make("div", "heading", make("span", "number", `# ${this.rows.number("index", place)}`),
        make("span", "quiet", texts[having[0]].id), what === "none" ? make("span", "quiet", "nothing differs") : make("span", "differing", what), close),
      ...SIDES.map((side) => this.side(side, place, texts[side])),
      ...textsOfBoth(texts.before, texts.after),
      make("section", "", this.measures(place)));
    this.element.classList.add("open");
    this.element.scrollTop = 0;
  }

  // What one run has of a row: its status and its clips.
  side(side, place, texts) {
    const rows = this.rows.runs[side];
    const name = make("h3", "run", rows.head.run.name);
    if (!texts) return make("section", "side", make("div", "heading", name, make("span", "quiet", "has no such row")));
    const own = this.rows.of(side, place);
    const status = rows.category("status", own);
    const folder = side === "before" ? this.rows.pair.folder : "";
    const { own: player, question } = this.players[side];
    const asked = texts.question_audio_path !== texts.audio_path ? clipOf(texts, "question_") : null;
    player.show(clipOf(texts), rows.number("duration", own), rows.head.pictures, rows.picture(own), folder);
    question.show(asked, texts.question_duration, rows.head.pictures, null, folder);
    return make("section", "side",
      make("div", "heading", name, make("span", `badge ${status}`, status)),
      texts.error ? make("p", "problem", texts.error) : null,
      player.element,
      ...(asked ? [make("p", "quiet", "The question"), question.element] : []));
  }

  measures(place) {
    const value = (side, name) => (this.rows.of(side, place) < 0 ? null : this.rows.runs[side].number(name, this.rows.of(side, place)));
    const named = (side, name) => (this.rows.of(side, place) < 0 ? null : this.rows.runs[side].category(name, this.rows.of(side, place)));
    const table = comparison("Measured", SIDES.map((side) => this.rows.runs[side].head.run.name), this.rows.measures
      .map(({ label, name, digits, unit }) => [label, SIDES.map((side) => value(side, name)), digits, unit]));
    for (const name of ["voice", "language", "split", "finish_reason"]) {
      const values = SIDES.map((side) => named(side, name));
      if (values.every((known) => known === null)) continue;
      const cells = [name.replace("_", " "), ...values.map((known) => known ?? "–"), values[0] === values[1] ? "=" : "≠"];
      table.tBodies[0].append(cellsOf("td", ...cells));
    }
    return table;
  }
}

// The texts of a row in either run; null for a run that lacks it.
function textsOfBoth(before, after) {
  const left = (texts) => texts?.left_out?.join("\n") || null;
  const sections = [
    ["Question", before?.question, after?.question],
    ["Question as spoken", before?.question_spoken, after?.question_spoken],
    ["Answer as written", before?.answer, after?.answer],
    ["As spoken", before?.answer_spoken, after?.answer_spoken],
    ["Left out, not spoken", left(before), left(after)],
    ["As a recognizer heard it", before?.asr_text, after?.asr_text],
    ["Reasoning", before?.reasoning, after?.reasoning],
  ];
  return sections.filter(([, one, other]) => one || other).map(([label, one, other]) =>
    make("section", "", make("h3", "", label), ...became(before ? one ?? "" : null, after ? other ?? "" : null)));
}

// A text as it was and as it is: once where it is the same, else with what is gone and what is new marked, or both.
function became(one, other) {
  if (one === null || other === null || one === other) return [make("p", "text", other ?? one)];
  const text = marked(one, other);
  return text.querySelector("del, ins") ? [text] : [make("p", "text quiet", one), make("p", "text", other)];
}
