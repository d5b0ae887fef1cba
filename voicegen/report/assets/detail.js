// One row: its clip, its texts and what was made of them, its takes.

class Detail {
  constructor(rows, marks, element, closed) {
    Object.assign(this, { rows, marks, element, closed });
    this.player = new Player((seconds, playing) => this.follow(seconds, playing));
    this.timed = [];
    this.empty();
  }

  empty() {
    this.place = null;
    this.player.audio.pause();
    this.element.classList.remove("open");
    this.element.replaceChildren(make("p", "quiet hint", "Choose a row to hear it."));
  }

  async show(place) {
    this.place = place;
    await this.rows.block(Math.floor(place / this.rows.head.block_rows));
    if (this.place !== place) return;
    const texts = (this.texts = this.rows.texts(place));
    const index = this.rows.number("index", place);
    this.markButtons = ["accept", "reject"].map((mark) => button(mark === "accept" ? "✓ Accept" : "✕ Reject", () => this.mark(mark), `mark ${mark}`));
    const close = button("✕", () => this.closed(), "ghost close");
    close.setAttribute("aria-label", "Close");
    this.element.replaceChildren(
      make("div", "heading", make("span", "number", `# ${index}`), make("span", `badge ${this.rows.category("status", place)}`, this.rows.category("status", place)),
        texts.id !== String(index) ? make("span", "quiet", texts.id) : null, close),
      this.player.element,
      make("div", "marking", ...this.markButtons),
      ...this.sections(place, texts));
    this.element.classList.add("open");
    this.element.scrollTop = 0;
    this.showMark();
    this.player.show(texts.audio_path, this.rows.number("duration", place), this.rows.head.pictures, this.rows.picture(place));
  }

  sections(place, texts) {
    const section = (label, ...content) => make("section", "", make("h3", "", label), ...content);
    const text = (value) => make("p", "text", value);
    const found = [];
    if (texts.error) found.push(make("p", "problem", texts.error));
    found.push(section("Question", text(texts.question ?? "")));
    const spoken = texts.answer_spoken;
    if (texts.answer !== null && texts.answer !== spoken) found.push(section("Answer as written", text(texts.answer)));
    if (spoken !== null && spoken !== undefined) {
      found.push(section(texts.answer === spoken ? "Answer, spoken as written" : "As spoken",
        texts.words ? this.timedWords(texts.words) : texts.answer === spoken ? text(spoken) : marked(texts.answer ?? "", spoken)));
    }
    if (texts.left_out?.length) {
      found.push(section("Left out, not spoken", make("ul", "leftout", ...texts.left_out.map((part) => make("li", "", part)))));
    }
    if (texts.asr_text) found.push(section("As a recognizer heard it", marked(spoken ?? "", texts.asr_text)));
    if (texts.reasoning) found.push(section("Reasoning", text(texts.reasoning)));
    found.push(section("Measured", this.measures(place)));
    if (texts.takes?.length) found.push(section("Takes", takesTable(texts.takes)));
    const others = Object.entries(texts.input ?? {});
    if (others.length) found.push(section("From the input", pairs(others)));
    return found;
  }

  measures(place) {
    const named = ["voice", "language", "split", "finish_reason", "mark"]
      .map((name) => [name.replace("_", " "), this.rows.category(name, place)]);
    const numbers = this.rows.measures.map((measure) => [measure.label, written(measure, this.rows.number(measure.name, place), true)]);
    return pairs([...numbers, ...named].filter(([, value]) => value));
  }

  timedWords(words) {
    this.timed = words.map(([word, start, end]) => ({ start, end, element: button(word, () => this.player.play(start), "word") }));
    return make("p", "text timed", ...this.timed.flatMap(({ element }) => [element, " "]));
  }

  follow(seconds) {
    for (const { start, end, element } of this.timed) element.classList.toggle("said", start <= seconds && seconds < end);
  }

  mark(mark) {
    if (this.place === null) return;
    this.marks.toggle(this.rows.number("index", this.place), mark, this.texts);
    this.showMark();
  }

  showMark() {
    const chosen = this.marks.get(this.rows.number("index", this.place));
    this.markButtons.forEach((element) => element.setAttribute("aria-pressed", String(element.classList.contains(chosen ?? "none"))));
  }
}

function pairs(entries) {
  return make("dl", "pairs", ...entries.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
}

function takesTable(takes) {
  const row = (tag, ...cells) => make("tr", "", ...cells.map((cell) => make(tag, "", cell)));
  return make("table", "takes",
    make("thead", "", row("th", "take", "seed", "outcome", "excess")),
    make("tbody", "", ...takes.map((take) =>
      row("td", String(take.attempt), String(take.seed), take.reason ?? take.status, take.excess ? take.excess.toFixed(2) : ""))));
}
