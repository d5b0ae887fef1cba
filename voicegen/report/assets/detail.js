// One row: its clip, its texts and what was made of them, its takes.

class Detail {
  constructor(rows, marks, element, closed) {
    Object.assign(this, { rows, marks, element, closed });
    this.timed = { own: [], question: [] };
    this.player = new Player((seconds) => follow(this.timed.own, seconds));
    this.asking = new Player((seconds) => follow(this.timed.question, seconds));
    for (const [one, other] of [[this.player, this.asking], [this.asking, this.player]]) {
      one.audio.addEventListener("play", () => other.audio.pause());
    }
    this.empty();
  }

  empty() {
    this.place = null;
    this.player.audio.pause();
    this.asking.audio.pause();
    this.element.classList.remove("open");
    this.element.replaceChildren(make("p", "quiet hint", "Choose a row to hear it."));
  }

  async show(place) {
    this.place = place;
    const texts = await this.rows.whole(place);
    if (this.place !== place) return;
    this.texts = texts;
    const index = this.rows.number("index", place);
    this.timed = { own: [], question: [] };
    const asked = texts.question_audio_path !== texts.audio_path ? clipOf(texts, "question_") : null;
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
    this.asking.show(asked, texts.question_duration, this.rows.head.pictures, null);
    this.player.show(clipOf(texts), this.rows.number("duration", place), this.rows.head.pictures, this.rows.picture(place));
  }

  sections(place, texts) {
    const section = (label, ...content) => make("section", "", make("h3", "", label), ...content);
    const text = (value) => make("p", "text", value);
    const found = [];
    if (texts.error) found.push(make("p", "problem", texts.error));
    found.push(section("Question", text(texts.question ?? "")));
    const alone = texts.question_audio_path && texts.question_audio_path === texts.audio_path;
    const spoken = alone ? texts.question_spoken : texts.answer_spoken;
    if (alone) texts = { ...texts, answer: texts.question };
    else if (texts.question_audio_path) found.push(this.spokenQuestion(section, texts));
    if (!alone && texts.answer !== null && texts.answer !== spoken) found.push(section("Answer as written", text(texts.answer)));
    if (spoken !== null && spoken !== undefined) {
      const label = alone ? "Question, spoken as written" : "Answer, spoken as written";
      found.push(section(texts.answer === spoken ? label : "As spoken",
        texts.words ? this.timedWords("own", this.player, texts.words) : texts.answer === spoken ? text(spoken) : marked(texts.answer ?? "", spoken)));
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

  // The question of a row whose answer is spoken, too: a player of its own, what it says, its takes.
  spokenQuestion(section, texts) {
    const said = texts.question_words ? this.timedWords("question", this.asking, texts.question_words)
      : make("p", "text", texts.question_spoken ?? "");
    const about = [texts.question_voice, texts.question_status].filter(Boolean).join(", ");
    const left = texts.question_left_out?.length ? make("p", "quiet", `Not spoken: ${texts.question_left_out.join(" ")}`) : null;
    const takes = texts.question_takes?.length ? takesTable(texts.question_takes) : null;
    return section("Question, as spoken", this.asking.element, said, left, make("p", "quiet", about), takes);
  }

  measures(place) {
    const named = ["voice", "language", "split", "finish_reason", "mark"]
      .map((name) => [name.replace("_", " "), this.rows.category(name, place)]);
    const numbers = this.rows.measures.map((measure) => [measure.label, written(measure, this.rows.number(measure.name, place), true)]);
    return pairs([...numbers, ...named].filter(([, value]) => value));
  }

  timedWords(whose, player, words) {
    const timed = words.map(([word, start, end]) => ({ start, end, element: button(word, () => player.play(start), "word") }));
    this.timed[whose] = timed;
    return make("p", "text timed", ...timed.flatMap(({ element }) => [element, " "]));
  }

  mark(mark) {
    if (this.place === null) return;
    this.marks.toggle(this.rows.number("index", this.place), mark, this.texts);
    this.showMark();
  }

  // Has the pictures drawn anew, in the colours of now.
  draw() { this.player.draw(); this.asking.draw(); }

  showMark() {
    const chosen = this.marks.get(this.rows.number("index", this.place));
    this.markButtons.forEach((element) => element.setAttribute("aria-pressed", String(element.classList.contains(chosen ?? "none"))));
  }
}

function follow(timed, seconds) {
  for (const { start, end, element } of timed) element.classList.toggle("said", start <= seconds && seconds < end);
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
