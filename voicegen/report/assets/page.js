// The page: its parts, and what the keys do.

const find = (id) => document.getElementById(id);

const head = await unpackedJson("head");
const two = Boolean(head.pair);
const rows = two ? new Pairs(head) : new Rows(head);
const marks = two ? NO_MARKS : new Marks(head, () => { drawMarks(); table.draw(true); if (chosen.mark) refresh(); });
const closed = () => { detail.empty(); table.current = -1; table.draw(true); };
const detail = two ? new PairDetail(rows, find("detail"), closed) : new Detail(rows, marks, find("detail"), closed);
const table = new Table(rows, marks, {
  scroller: find("scroller"), list: find("rows"), columns: find("columns"), opened: (place) => detail.show(place),
});
table.changed = () => refresh();
const chosen = { search: "", categories: {}, range: null, mark: "" };

function refresh() {
  const needle = chosen.search.trim().toLowerCase();
  const categories = Object.entries(chosen.categories).filter(([, name]) => name)
    .map(([category, name]) => [rows.head.categories[category].codes, rows.head.categories[category].names.indexOf(name)]);
  const range = chosen.range;
  const numbers = range && rows.head.numbers[range.measure.name];
  table.apply((place) => {
    for (const [codes, code] of categories) if (codes[place] !== code) return false;
    if (range && !(numbers[place] !== null && numbers[place] >= range.from && numbers[place] < range.to)) return false;
    if (chosen.mark && (marks.get(rows.number("index", place)) ?? "none") !== chosen.mark) return false;
    return !needle || (rows.haystack(place)?.includes(needle) ?? false);
  });
  const count = table.shown.length;
  find("count").textContent = count === rows.length ? `${count.toLocaleString("en")} ${count === 1 ? "row" : "rows"}` : `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
  drawRange();
  drawWorst();
}

function drawWorst() {
  const chips = rows.measures.map((measure) => {
    const pressed = table.sort.worst && table.sort.name === measure.name;
    const chip = button(measure.label, () => {
      if (pressed) table.resort(rows.first); else table.resort(measure.name, true);
      table.scroller.scrollTop = 0;
    }, "chip");
    chip.setAttribute("aria-pressed", String(pressed));
    return chip;
  });
  const differing = two ? button("Differing", () => table.resort(rows.first), "chip") : null;
  differing?.setAttribute("aria-pressed", String(table.sort.name === rows.first));
  find("worst").replaceChildren(...[differing, make("span", "label", two ? "first, or worst:" : "Worst first"), ...chips].filter(Boolean));
}

function drawFilters() {
  const selects = Object.entries(rows.head.categories)
    .filter(([name, { names }]) => names.length > 1 && name !== "mark")
    .map(([name, { names }]) => select(`any ${name.replace("_", " ")}`, names, (value) => { chosen.categories[name] = value; refresh(); }));
  const byMark = select("any mark", ["accept", "reject", "none"], (value) => { chosen.mark = value; refresh(); });
  find("filters").replaceChildren(...selects, ...(two ? [] : [byMark]));
}

function select(any, names, changed) {
  const element = make("select", "", ...["", ...names].map((name) => {
    const option = make("option", "", name || any);
    option.value = name;
    return option;
  }));
  element.setAttribute("aria-label", any.replace("any ", ""));
  element.addEventListener("change", () => changed(element.value));
  return element;
}

function drawRange() {
  const { range } = chosen;
  find("range").replaceChildren(...(range
    ? [button(`${range.measure.label} ${range.span} ✕`, () => { chosen.range = null; refresh(); }, "chip")] : []));
}

function drawMarks() {
  find("marks").replaceChildren(...(marks.size
    ? [
      make("span", "quiet", `${marks.count("accept")} accepted, ${marks.count("reject")} rejected`),
      button("Download marks", () => marks.download(head.run.name), "primary"),
      button("Clear", () => { if (confirm(`Forget all ${marks.size} marks?`)) { marks.clear(); if (detail.place !== null) detail.showMark(); } }, "ghost"),
    ] : []));
}

function drawName() {
  const runs = two ? [head.pair.before.run, head.run] : [head.run];
  find("name").textContent = runs.map(({ name }) => name).join(" → ");
  find("made").replaceChildren(...runs.map((run) => two ? make("span", "run", make("i", run === head.run ? "swatch" : "swatch before"), `${run.name}: ${origin(run)}`) : origin(run)));
}

function origin(run) {
  const when = run.created ? new Date(run.created).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }) : null;
  const { chat, tts } = run.models;
  return [when, chat && `answered by ${chat}`, tts && `spoken by ${tts}`, run.config_hash].filter(Boolean).join(" · ");
}

const KEYS = {
  " ": () => detail.place !== null && detail.player.toggle(),
  j: () => table.step(1), ArrowDown: () => table.step(1),
  k: () => table.step(-1), ArrowUp: () => table.step(-1),
  ...(two ? { b: () => detail.other() } : { a: () => detail.mark("accept"), r: () => detail.mark("reject") }),
  ArrowLeft: () => detail.player.skip(-2),
  ArrowRight: () => detail.player.skip(2),
  "/": () => find("search").focus(),
  Escape: () => detail.closed(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches?.("input, select, textarea");
  if (typing) { if (event.key === "Escape") event.target.blur(); return; }
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

let waiting;
find("search").addEventListener("input", (event) => {
  clearTimeout(waiting);
  waiting = setTimeout(() => { chosen.search = event.target.value; refresh(); }, 120);
});

find("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark"
    || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  detail.draw();
});

drawName();
find("keys").append(...(two ? [make("kbd", "", "b"), " the other run's clip"]
  : [make("kbd", "", "a"), " accept ", make("kbd", "", "r"), " reject"]));
if (two) drawComparison(find("totals"), head);
else {
  drawTotals(find("totals"), head);
  find("kept").textContent = "Marks are kept in this browser until you download them.";
}
drawCharts(find("charts"), rows.measures, (measure, from, to, span) => { chosen.range = { measure, from, to, span }; refresh(); });
drawFilters();
drawMarks();
refresh();
document.documentElement.dataset.openedIn = String(Math.round(performance.now()));

// The rest of the texts, for the search, while nothing else is to be done.
for (let number = 0; number < rows.blockCount; number++) {
  await rows.block(number);
  await new Promise((resume) => setTimeout(resume));
}
document.documentElement.dataset.ready = "true";
if (chosen.search) refresh();
