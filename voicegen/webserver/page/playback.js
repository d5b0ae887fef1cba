// Plays what it is sent, on the sound card's thread. A little is gathered before playing starts, and anew after it ran
// dry, so that what comes late does not tear the sound.

const GATHERED = 0.15; // seconds

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.forget();
    this.port.onmessage = ({ data }) => {
      if (data.stop !== undefined) this.forget();
      else if (data.finish) this.finished = true;
      else { this.queue.push(data.samples); this.queued += data.samples.length; this.finished = false; this.waits = true; }
    };
  }

  forget() {
    this.queue = [];
    this.at = 0; // in the first of the queue
    this.queued = 0;
    this.played = 0;
    this.playing = false;
    this.finished = false;
    this.waits = false; // whether somebody waits to be told that all was played
  }

  process(_inputs, [[output]]) {
    if (this.queued >= GATHERED * sampleRate || (this.finished && this.queued)) {
      if (!this.playing && !this.played) this.port.postMessage({ began: true });
      this.playing = true;
    }
    let filled = 0;
    while (this.playing && filled < output.length && this.queue.length) {
      const piece = this.queue[0].subarray(this.at, this.at + output.length - filled);
      output.set(piece, filled);
      filled += piece.length;
      this.at += piece.length;
      if (this.at === this.queue[0].length) { this.queue.shift(); this.at = 0; }
    }
    this.queued -= filled;
    this.played += filled;
    if (filled < output.length) this.playing = false;
    if (filled) this.port.postMessage({ played: this.played });
    if (this.waits && this.finished && !this.queued) { this.waits = false; this.port.postMessage({ ended: true }); }
    return true;
  }
}

registerProcessor("playback", Playback);
