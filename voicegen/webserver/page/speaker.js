// The loudspeaker: plays one answer at a time, and says when its sound begins and ends.

import { RATE } from "/page/sound.js";

export class Speaker {
  constructor() {
    this.current = null; // the answer that is played, or is about to be
    this.played = 0; // milliseconds of it
    this.onbegan = this.onended = () => {};
    this.opened = null;
  }

  // Browsers let a page make sound once somebody has done something on it.
  async open() {
    this.opened ??= (async () => {
      this.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
      await this.context.audioWorklet.addModule("/page/playback.js");
      this.node = new AudioWorkletNode(this.context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
      this.node.connect(this.context.destination);
      this.node.port.onmessage = ({ data }) => this.#told(data);
    })();
    await this.opened;
    this.context.resume(); // comes to pass when the browser lets it
  }

  async play(answer, samples) {
    await this.open();
    if (this.current !== answer) return; // another has begun meanwhile, or it was stopped
    this.node.port.postMessage({ samples });
  }

  begin(answer) {
    this.stop();
    this.current = answer;
    this.played = 0;
  }

  async finish(answer) {
    await this.open();
    if (this.current === answer) this.node.port.postMessage({ finish: true });
  }

  stop() {
    this.node?.port.postMessage({ stop: true });
    const stopped = this.current;
    this.current = null;
    if (stopped) this.onended(stopped);
  }

  #told({ began, played, ended }) {
    if (!this.current) return;
    if (began) this.onbegan(this.current);
    if (played) this.played = (1000 * played) / RATE;
    if (ended) { const done = this.current; this.current = null; this.onended(done); }
  }
}
