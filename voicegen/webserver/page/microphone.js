// The microphone, with the browser's own cancellation of echo and noise; and when each moment of it was.

import { RATE } from "/page/sound.js";

export class Microphone {
  constructor() {
    this.onpiece = () => {};
    this.onlevel = () => {};
    this.sent = 0; // samples
    this.sentAt = 0; // when the last of them were heard
    this.stream = null;
  }

  get on() { return this.stream !== null; }

  async open() {
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.context ??= await this.#context();
    await this.context.resume();
    this.node = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => this.#heard(data);
    this.source = this.context.createMediaStreamSource(this.stream);
    this.source.connect(this.node);
  }

  // Ends with a second of silence, so that a question under way ends too.
  close() {
    this.source?.disconnect();
    if (this.node) this.node.port.onmessage = null;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    for (let piece = 0; piece < 25; piece++) this.#heard(new Float32Array(RATE / 25));
    this.onlevel(0);
  }

  // What performance.now() was when that millisecond of the microphone was heard.
  when(milliseconds) { return this.sentAt - ((1000 * this.sent) / RATE - milliseconds); }

  // The server counts anew over each connection.
  forget() { this.sent = 0; }

  async #context() {
    const context = new AudioContext();
    await context.audioWorklet.addModule("/page/capture.js");
    return context;
  }

  #heard(samples) {
    this.sent += samples.length;
    this.sentAt = performance.now();
    this.onlevel(Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length));
    this.onpiece(samples);
  }
}
