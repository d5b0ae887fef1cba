// The conversation as it is shown: what is not ours is put in as text alone.

function make(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}

export class Log {
  constructor(list) {
    this.list = list;
    this.entries = new Map();
  }

  get last() { return [...this.entries.values()].findLast((entry) => entry.role === "assistant" && entry.text); }

  // The entry of an item, made where there is none yet.
  entry(id, role) {
    if (!this.entries.has(id)) this.entries.set(id, new Entry(this, id, role));
    return this.entries.get(id);
  }

  remove(id) {
    this.entries.get(id)?.item.remove();
    this.entries.delete(id);
  }

  note(text) { this.list.append(make("li", "note", text)); this.follow(); }

  clear() { this.list.replaceChildren(); this.entries.clear(); }

  // Only what is whole is read out by a screen reader.
  busy(is) { this.list.setAttribute("aria-busy", is); }

  follow() {
    const page = this.list.parentElement;
    page.scrollTop = page.scrollHeight;
  }
}

class Entry {
  constructor(log, id, role) {
    Object.assign(this, { log, id, role, pieces: [], latency: {}, text: "" });
    this.item = make("li", role);
    this.item.append(make("span", "unseen", role === "user" ? "You: " : "Answer: "));
    this.words = this.item.appendChild(make("span", "text wait"));
    this.facts = make("div", "facts");
    if (role === "assistant") this.item.append(this.facts);
    log.list.append(this.item);
    log.follow();
  }

  add(delta) {
    this.text += delta;
    this.words.textContent = this.text;
    this.log.follow();
  }

  ends(text, whole = true) {
    this.text = text;
    this.words.textContent = text;
    this.words.classList.remove("wait");
    this.whole = whole;
    this.draw();
  }

  // What may be done with an answer, and how soon it came.
  draw({ replay, download } = this) {
    Object.assign(this, { replay, download });
    if (this.role !== "assistant") return;
    const parts = [];
    if (this.text && replay) {
      const play = make("button", "", this.item.classList.contains("playing") ? "■ Stop" : "▶ Play");
      play.onclick = () => replay(this);
      const save = make("button", "", "↓ Download");
      save.onclick = () => download(this);
      parts.push(play, save);
    }
    if (this.whole === false) parts.push(make("span", "", "interrupted"));
    const { text, audio, from } = this.latency;
    if (text !== undefined) parts.push(make("span", "latency", `first text ${seconds(text)}`));
    if (audio !== undefined) parts.push(make("span", "latency", `first audio ${seconds(audio)} after ${from}`));
    this.facts.replaceChildren(...parts);
    this.log.follow();
  }

  plays(is) {
    this.item.classList.toggle("playing", is);
    this.draw();
  }
}

function seconds(milliseconds) { return `${(milliseconds / 1000).toFixed(2)} s`; }
