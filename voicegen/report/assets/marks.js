// What the listener thinks of rows: kept in this browser, downloaded as a CSV that `voicegen verify --marks` reads.

class Marks {
  constructor(head, changed) {
    this.key = `voicegen report ${head.run.name} ${head.run.config_hash}`;
    this.changed = changed;
    this.byIndex = new Map();
    try {
      this.byIndex = new Map(Object.entries(JSON.parse(localStorage.getItem(this.key) ?? "{}")).map(([index, mark]) => [Number(index), mark]));
    } catch { /* a browser that keeps nothing: the marks last as long as the page */ }
  }

  get(index) { return this.byIndex.get(index)?.mark ?? null; }

  get size() { return this.byIndex.size; }

  count(mark) { return [...this.byIndex.values()].filter((known) => known.mark === mark).length; }

  // Gives a row a mark, or takes it away where it has that one.
  toggle(index, mark, texts) {
    if (this.get(index) === mark) this.byIndex.delete(index);
    else this.byIndex.set(index, { mark, id: texts.id, audio_sha256: texts.audio_sha256 ?? "" });
    this.keep();
  }

  clear() { this.byIndex.clear(); this.keep(); }

  keep() {
    try { localStorage.setItem(this.key, JSON.stringify(Object.fromEntries(this.byIndex))); } catch { /* as above */ }
    this.changed();
  }

  csv() {
    const rows = [...this.byIndex].sort(([a], [b]) => a - b)
      .map(([index, { id, audio_sha256: hash, mark }]) => [index, id, hash, mark]);
    return [["index", "id", "audio_sha256", "mark"], ...rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  }

  download(name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.csv()], { type: "text/csv" }));
    link.download = `${name}-marks.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
