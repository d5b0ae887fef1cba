// Gives what the microphone hears, in pieces of 20 ms at 24 kHz: each sample is the mean of the input over its time.

const RATE = 24000;
const PIECE = 480; // short, since whoever speaks is waiting for silence

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(PIECE);
    this.filled = 0;
    this.sum = 0; // of the input over the sample under way
    this.weight = 0; // how much of its time is in it, in samples of the input
  }

  process([[input]]) {
    const length = sampleRate / RATE;
    for (const sample of input ?? []) {
      let left = 1;
      while (this.weight + left >= length - 1e-9) {
        const part = length - this.weight;
        this.give((this.sum + part * sample) / length);
        left -= part;
        this.sum = this.weight = 0;
      }
      this.sum += Math.max(left, 0) * sample;
      this.weight += Math.max(left, 0);
    }
    return true;
  }

  give(sample) {
    this.piece[this.filled++] = sample;
    if (this.filled < PIECE) return;
    this.port.postMessage(this.piece, [this.piece.buffer]);
    this.piece = new Float32Array(PIECE);
    this.filled = 0;
  }
}

registerProcessor("capture", Capture);
