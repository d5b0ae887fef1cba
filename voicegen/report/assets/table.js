// The table: which rows are shown and in what order; only those in sight are in the page.

const SPARE = 8; // rows above and below those in sight

class Table {
  constructor(rows, marks, { scroller, list, columns, opened }) {
    Object.assign(this, { rows, marks, scroller, list, columns, opened });
    this.shown = Array.from({ length: rows.length }, (_, place) => place);
    this.current = -1; // its place among those shown
    this.sort = { name: rows.first, down: false, worst: false };
    this.drawn = new Map();
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw(true)).observe(scroller);
    rows.arrived = (concerns) => this.drawWhere(concerns);
  }

  // The measures that have a column, and the one that rows are sorted by.
  get visible() {
    const wanted = ["duration", "wer", "pace", "loudness", "attempts"];
    const known = this.rows.measures.filter(({ name }) => wanted.includes(name));
    const sorted = this.rows.measures.find(({ name }) => name === this.sort.name);
    return sorted && !known.includes(sorted) ? [...known.slice(0, 4), sorted] : known;
  }

  // Shows the rows that `passes` says, in the order chosen; keeps the current one where it is among them.
  apply(passes) {
    const place = this.place;
    const chosen = [];
    for (let row = 0; row < this.rows.length; row++) if (passes(row)) chosen.push(row);
    this.shown = this.sorted(chosen);
    this.current = place === null ? -1 : this.shown.indexOf(place);
    this.drawColumns();
    this.draw(true);
  }

  sorted(places) {
    const { name, down, worst } = this.sort;
    const measure = this.rows.measures.find((known) => known.name === name);
    const values = name === "status" ? this.rows.head.categories.status.codes : this.rows.head.numbers[name];
    const value = worst && measure ? (place) => badness(measure, values[place]) : (place) => values[place];
    const sign = down ? -1 : 1;
    const keys = new Float64Array(this.rows.length).fill(NaN);
    for (const place of places) { const key = value(place); if (key !== null) keys[place] = sign * key; }
    return places.sort((a, b) => {
      const [left, right] = [keys[a], keys[b]];
      if (left < right) return -1;
      if (left > right) return 1;
      return Number.isNaN(left) - Number.isNaN(right) || a - b; // those without a value last
    });
  }

  get place() { return this.current < 0 ? null : this.shown[this.current]; }

  get rowHeight() { return matchMedia("(max-width: 720px)").matches ? 66 : 38; }

  open(current, { scroll = true } = {}) {
    if (current < 0 || current >= this.shown.length) return;
    this.current = current;
    if (scroll) this.reveal();
    this.draw(true);
    this.opened(this.place);
  }

  step(by) { this.open(this.current < 0 ? 0 : this.current + by); }

  reveal() {
    const top = this.current * this.rowHeight;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) this.scroller.scrollTop = top + this.rowHeight - clientHeight;
  }

  // Draws rows in sight anew, where `concerns` says so of one.
  drawWhere(concerns) {
    if ([...this.drawn.keys()].some((number) => concerns(this.shown[number]))) this.draw(true);
  }

  draw(anew = false) {
    const height = this.rowHeight;
    this.list.style.height = `${this.shown.length * height}px`;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - SPARE);
    const end = Math.min(this.shown.length, Math.ceil((this.scroller.scrollTop + this.scroller.clientHeight) / height) + SPARE);
    for (const [number, element] of this.drawn) {
      if (anew || number < first || number >= end) { element.remove(); this.drawn.delete(number); }
    }
    for (let number = first; number < end; number++) {
      if (this.drawn.has(number)) continue;
      const element = this.row(number);
      element.style.transform = `translateY(${number * height}px)`;
      element.style.height = `${height}px`;
      this.list.append(element);
      this.drawn.set(number, element);
    }
  }

  row(number) {
    const place = this.shown[number];
    const texts = this.rows.texts(place);
    const status = this.rows.category("status", place);
    const mark = this.marks.get(this.rows.number("index", place)) ?? this.rows.category("mark", place);
    const element = make("div", `row${number === this.current ? " current" : ""}`,
      make("span", "number", String(this.rows.number("index", place))),
      dot(status, mark),
      make("span", "question", texts ? texts.question ?? "" : "…"),
      make("span", "answer quiet", this.differing(place), texts ? texts.answer_spoken ?? texts.answer ?? texts.error ?? "" : ""),
      ...this.visible.map((measure) => make("span", "value", written(measure, this.rows.number(measure.name, place)))));
    element.style.setProperty("--values", this.visible.length);
    element.addEventListener("click", () => this.open(number, { scroll: false }));
    return element;
  }

  // What differs between the two runs that a row is of.
  differing(place) {
    const what = this.rows.category("difference", place);
    return what && what !== "none" ? make("span", "differing", what) : null;
  }

  drawColumns() {
    const title = (name, label, className) => {
      const chosen = this.sort.name === name;
      const element = button(label, () => this.resort(name), `${className}${chosen ? " chosen" : ""}`);
      element.title = `Sort by ${label}`;
      if (chosen) element.append(this.sort.worst ? " ⚑" : this.sort.down ? " ↓" : " ↑");
      return element;
    };
    this.columns.replaceChildren(
      title("index", "#", "number"), title("status", "", "status"),
      make("span", "question", "Question"), make("span", "answer", "Answer as spoken"),
      ...this.visible.map((measure) => title(measure.name, measure.label, "value")));
    this.columns.style.setProperty("--values", this.visible.length);
  }

  resort(name, worst = false) {
    const again = this.sort.name === name && !this.sort.worst;
    this.sort = worst ? { name, down: true, worst: true } : { name, down: again ? !this.sort.down : false, worst: false };
    this.changed();
  }
}

function dot(status, mark) {
  const element = make("span", `dot ${status}${mark ? ` ${mark}` : ""}`, mark === "accept" ? "✓" : mark === "reject" ? "✕" : "");
  element.title = mark ? `${status}, marked ${mark}` : status;
  return element;
}
