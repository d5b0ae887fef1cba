// Plays a clip from beside the page, with its waveform and spectrogram.

const WAVE = 72, GAP = 6, SPECTRUM = 120; // CSS pixels
const HEAT = [[9, 8, 26], [43, 17, 83], [101, 26, 128], [157, 46, 127], [213, 70, 108], [246, 118, 88], [253, 181, 119], [252, 246, 190]];

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
    this.element = make("div", "player", this.canvas, make("div", "controls", this.toggleButton, this.time, this.message));
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

  // Shows a clip; `seconds` is its length by the manifest, `picture` a promise of its peaks and levels, or null.
  async show(path, seconds, shape, picture, folder = "") {
    this.audio.pause();
    this.seconds = seconds;
    this.shape = shape;
    this.picture = null;
    this.message.textContent = path ? "" : "There is no audio.";
    if (path) this.audio.src = folder + path.split("/").map(encodeURIComponent).join("/");
    else this.audio.removeAttribute("src");
    this.audio.load();
    this.refresh();
    const shown = (this.asked = picture);
    const arrived = await picture;
    if (shown !== this.asked) return; // another clip is shown by now
    this.picture = arrived;
    if (arrived) this.spectrum = painted(arrived.levels, shape);
    else if (path && picture) this.message.textContent = "No picture of this row is in the page.";
    this.draw();
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
