// Plays a clip from beside the page, with its waveform and spectrogram.

const WAVE = 72, GAP = 6, SPECTRUM = 120; // CSS pixels
const HEAT = [[9, 8, 26], [43, 17, 83], [101, 26, 128], [157, 46, 127], [213, 70, 108], [246, 118, 88], [253, 181, 119], [252, 246, 190]];

// The shards that the user has given, by name: a page from the disk may read no part of a file that it was not given.
const shards = new Map();

// Where a row's clip lies, or its question's: a file, or a part of a shard.
function clipOf(texts, of = "") {
  const path = texts[`${of}audio_path`];
  return path ? { path, offset: texts[`${of}audio_offset`] ?? null, size: texts[`${of}audio_size`] } : null;
}

class Player {
  constructor(moved) {
    this.audio = document.createElement("audio");
    this.audio.preload = "auto";
    this.moved = moved;
    this.canvas = make("canvas", "picture");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "slider");
    this.canvas.setAttribute("aria-label", "Place in the clip");
    this.toggleButton = button("▶", () => this.toggle(), "play");
    this.time = make("span", "time", "0.0");
    this.message = make("span", "quiet", "");
    this.chooser = make("input", "chooser");
    Object.assign(this.chooser, { type: "file", multiple: true, hidden: true });
    this.chooser.setAttribute("aria-label", "Shards");
    this.chooser.addEventListener("change", () => {
      for (const file of this.chooser.files) shards.set(file.name, file);
      document.dispatchEvent(new Event("shards"));
    });
    document.addEventListener("shards", () => { if (!this.choose.hidden) this.load(); });
    this.choose = button("Choose shards…", () => this.chooser.click(), "choose");
    this.choose.hidden = true;
    this.element = make("div", "player", this.canvas,
      make("div", "controls", this.toggleButton, this.time, this.message, this.choose, this.chooser));
    for (const event of ["play", "pause", "ended"]) this.audio.addEventListener(event, () => this.refresh());
    this.audio.addEventListener("timeupdate", () => this.refresh());
    this.audio.addEventListener("loadedmetadata", () => this.refresh());
    this.audio.addEventListener("error", () => {
      if (this.audio.getAttribute("src")) this.message.textContent = "The WAV is not where this page looks for it: keep the page in the run's folder.";
    });
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.seekTo(event);
    });
    this.canvas.addEventListener("pointermove", (event) => { if (event.buttons) this.seekTo(event); });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  // Shows a clip, as clipOf gives it; `seconds` is its length by the manifest, `picture` a promise of its peaks and levels, or null.
  async show(clip, seconds, shape, picture, folder = "") {
    this.audio.pause();
    Object.assign(this, { clip, folder });
    this.seconds = seconds;
    this.shape = shape;
    this.picture = null;
    this.load();
    const shown = (this.asked = picture);
    const arrived = await picture;
    if (shown !== this.asked) return; // another clip is shown by now
    this.picture = arrived;
    if (arrived) this.spectrum = painted(arrived.levels, shape);
    else if (clip && picture && !this.message.textContent) this.message.textContent = "No picture of this row is in the page.";
    this.draw();
  }

  load() {
    const { clip, folder } = this;
    const shard = clip && clip.offset !== null ? clip.path.split("/").at(-2) : null;
    const missing = shard !== null && !shards.has(shard);
    URL.revokeObjectURL(this.audio.getAttribute("src") ?? "");
    this.message.textContent = missing ? `In ${shard}: give the page the files of the run's folder "shards" once.` : clip ? "" : "There is no audio.";
    this.choose.hidden = !missing;
    if (!clip || missing) this.audio.removeAttribute("src");
    else if (shard === null) this.audio.src = folder + clip.path.split("/").map(encodeURIComponent).join("/");
    else this.audio.src = URL.createObjectURL(shards.get(shard).slice(clip.offset, clip.offset + clip.size, clip.path.endsWith(".flac") ? "audio/flac" : "audio/wav"));
    this.audio.load();
    this.refresh();
  }

  toggle() {
    if (!this.audio.getAttribute("src")) return;
    if (this.audio.paused) this.audio.play().catch(() => {});
    else this.audio.pause();
  }

  play(from) { this.audio.currentTime = from; if (this.audio.paused) this.toggle(); }

  skip(by) { this.audio.currentTime = Math.min(Math.max(this.audio.currentTime + by, 0), this.length); }

  get length() { return Number.isFinite(this.audio.duration) ? this.audio.duration : this.seconds ?? 0; }

  seekTo(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    this.audio.currentTime = Math.min(Math.max((event.clientX - left) / width, 0), 1) * this.length;
    this.refresh();
  }

  refresh() {
    const playing = !this.audio.paused && !this.audio.ended;
    this.toggleButton.textContent = playing ? "❚❚" : "▶";
    this.toggleButton.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.time.textContent = `${this.audio.currentTime.toFixed(1)} / ${this.length.toFixed(1)} s`;
    this.canvas.setAttribute("aria-valuemax", this.length.toFixed(1));
    this.canvas.setAttribute("aria-valuenow", this.audio.currentTime.toFixed(1));
    this.moved(this.audio.currentTime, playing);
    this.draw();
    cancelAnimationFrame(this.frame);
    if (playing) this.frame = requestAnimationFrame(() => this.refresh());
  }

  draw() {
    const scale = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.picture ? WAVE + GAP + SPECTRUM : 28;
    if (!width) return;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    const style = getComputedStyle(this.canvas);
    const [quiet, strong] = [style.getPropertyValue("--wave"), style.getPropertyValue("--accent")];
    const at = this.length ? (this.audio.currentTime / this.length) * width : 0;
    if (this.picture) {
      drawWave(context, this.picture.peaks, width, at, quiet, strong);
      context.drawImage(this.spectrum, 0, WAVE + GAP, width, SPECTRUM);
      context.fillStyle = "rgb(255 255 255 / 85%)";
      context.fillRect(at - 0.5, WAVE + GAP, 1.5, SPECTRUM);
      context.fillStyle = strong;
      context.fillRect(at - 0.5, 0, 1.5, WAVE);
    } else {
      context.fillStyle = quiet;
      context.fillRect(0, 12, width, 4);
      context.fillStyle = strong;
      context.fillRect(0, 12, at, 4);
    }
  }
}

function drawWave(context, peaks, width, at, quiet, strong) {
  const together = Math.max(1, Math.ceil((peaks.length * 3) / width));
  const bars = Math.ceil(peaks.length / together);
  for (let bar = 0; bar < bars; bar++) {
    const peak = Math.max(...peaks.subarray(bar * together, (bar + 1) * together));
    const x = (bar * width) / bars;
    const height = Math.max(2, (peak / 255) * WAVE);
    context.fillStyle = x < at ? strong : quiet;
    context.beginPath();
    context.roundRect(x, (WAVE - height) / 2, Math.max(1, width / bars - 1), height, 1);
    context.fill();
  }
}

// The levels as an image, low bands at the bottom.
function painted(levels, { width, bands, levels: steps }) {
  const canvas = new OffscreenCanvas(width, bands);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, bands);
  for (let band = 0; band < bands; band++) {
    for (let column = 0; column < width; column++) {
      const heat = (levels[band * width + column] / (steps - 1)) * (HEAT.length - 1);
      const low = Math.min(Math.floor(heat), HEAT.length - 2);
      const pixel = ((bands - 1 - band) * width + column) * 4;
      for (let part = 0; part < 3; part++) {
        image.data[pixel + part] = HEAT[low][part] + (HEAT[low + 1][part] - HEAT[low][part]) * (heat - low);
      }
      image.data[pixel + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
