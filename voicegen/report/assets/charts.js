// Totals, and histograms whose bars choose rows.

const SVG = "http://www.w3.org/2000/svg";

function drawTotals(element, head) {
  const { totals } = head;
  const share = (count) => (totals.rows ? `${((100 * count) / totals.rows).toFixed(count && count < totals.rows ? 1 : 0)} %` : "");
  const rejected = totals.question_rejected ? `${totals.question_rejected.toLocaleString("en")} for their question` : share(totals.rejected);
  const cards = [
    ["Rows", totals.rows.toLocaleString("en"), totals.rows < totals.input ? `of the input's ${totals.input.toLocaleString("en")}` : `${totals.takes.toLocaleString("en")} takes made`],
    ["Good", totals.ok.toLocaleString("en"), share(totals.ok), "ok"],
    ["Rejected", totals.rejected.toLocaleString("en"), rejected, totals.rejected ? "rejected" : ""],
    ["Audio", ...lengthOf(totals.seconds), ""],
  ];
  if (totals.question_seconds) cards.push(["Questions' audio", ...lengthOf(totals.question_seconds), ""]);
  if (totals.failed) cards.splice(3, 0, ["Failed", totals.failed.toLocaleString("en"), share(totals.failed), "failed"]);
  if (totals.wer !== null) cards.push(["Word errors", `${(100 * totals.wer).toFixed(1)} %`, "on average"]);
  if (totals.compute && totals.seconds) {
    cards.push(["Speed", `${(totals.seconds / totals.compute).toFixed(1)}×`, "times real time"]);
  }
  element.replaceChildren(...cards.map(([label, value, note, kind]) =>
    make("div", `total ${kind ?? ""}`, make("span", "label", label), make("strong", "", value), make("span", "quiet", note))));
}

function lengthOf(seconds) {
  if (seconds === null) return ["–", ""];
  if (seconds >= 3600) return [`${(seconds / 3600).toFixed(2)} h`, "of good rows"];
  if (seconds >= 60) return [`${(seconds / 60).toFixed(1)} min`, "of good rows"];
  return [`${seconds.toFixed(1)} s`, "of good rows"];
}

// `choose(measure, from, to)` is called when a bar is; the outermost bars have no bound on their outer side.
function drawCharts(element, measures, choose) {
  element.replaceChildren(...measures.filter((measure) => measure.histogram).map((measure) => chart(measure, choose)));
}

// Over the bars of a measure that two runs have, the outline of those of the first, as shares of its own rows.
function chart(measure, choose) {
  const { counts, edges, median, from, to } = measure.histogram;
  const before = measure.before?.histogram.counts;
  const scale = before ? sum(counts) / sum(before) : 1;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${counts.length * 10} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${measure.label}: median ${written(measure, median, true)}`);
  const most = Math.max(...counts, ...(before ?? []).map((count) => count * scale), 1);
  counts.forEach((count, place) => {
    const bar = document.createElementNS(SVG, "g");
    const height = count ? Math.max(2, (96 * count) / most) : 0;
    bar.append(rectangle(place * 10, 0, 10, 100, "hit"), rectangle(place * 10 + 1, 100 - height, 8, height, "bar"));
    const title = document.createElementNS(SVG, "title");
    const last = place === counts.length - 1;
    const least = place === 0 ? from : edges[place];
    const greatest = last ? to : edges[place + 1];
    const span = measure.digits === 0 ? written(measure, edges[place]) : `${written(measure, least)} to ${written(measure, greatest)}`;
    const were = before ? `, before ${before[place]}` : "";
    title.textContent = `${span} ${measure.unit}: ${count} ${count === 1 ? "row" : "rows"}${were}`;
    bar.append(title);
    bar.addEventListener("click", () =>
      choose(measure, place === 0 ? -Infinity : edges[place], last ? Infinity : edges[place + 1], span));
    svg.append(bar);
  });
  if (before) svg.append(outline(before.map((count) => 100 - (96 * count * scale) / most)));
  return make("figure", "chart",
    make("figcaption", "", Object.assign(make("span", "label", measure.label), { title: measure.label }), make("strong", "", before ? `${written(measure, measure.before.median)} → ${written(measure, median, true)}` : written(measure, median, true)), make("span", "quiet", "median")),
    svg,
    make("div", "axis quiet", make("span", "", written(measure, edges[0])), make("span", "", written(measure, measure.digits === 0 ? edges[edges.length - 2] : edges[edges.length - 1]))));
}

// A line along the tops of bars that are 10 wide.
function outline(tops) {
  const element = document.createElementNS(SVG, "path");
  element.setAttribute("d", `M0 100 ${tops.map((top, place) => `V${top} H${(place + 1) * 10}`).join(" ")} V100`);
  element.setAttribute("class", "outline");
  element.setAttribute("vector-effect", "non-scaling-stroke");
  return element;
}

function sum(counts) { return counts.reduce((total, count) => total + count, 0); }

function rectangle(x, y, width, height, className) {
  const element = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ x, y, width, height, class: className })) element.setAttribute(name, value);
  return element;
}
