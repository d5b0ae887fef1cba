// Samples as they go over the wire, and as a file: 16-bit little-endian, mono, 24 kHz.

export const RATE = 24000;

export function toBase64(samples) {
  const bytes = new Uint8Array(pcm(samples).buffer);
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  return btoa(text);
}

export function fromBase64(text) {
  const raw = atob(text);
  const view = new DataView(new ArrayBuffer(raw.length));
  for (let at = 0; at < raw.length; at++) view.setUint8(at, raw.charCodeAt(at));
  return Float32Array.from({ length: raw.length >> 1 }, (_, at) => view.getInt16(2 * at, true) / 32768);
}

export function joined(pieces) {
  const whole = new Float32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) { whole.set(piece, at); at += piece.length; }
  return whole;
}

// A WAV that says of itself, as every file of voicegen's does, that it is synthetic; `facts` are of its models.
export function wav(samples, facts) {
  const info = [
    ["IART", `${facts.voice ?? "synthetic voice"} (${facts.tts_model}, synthetic)`],
    ["IGNR", "Synthetic speech"],
    ["ICMT", JSON.stringify(facts)],
  ].map(([name, text]) => chunk(name, new TextEncoder().encode(`${text}\0`)));
  const format = new DataView(new ArrayBuffer(16));
  [[0, 1], [2, 1], [12, 2], [14, 16]].forEach(([at, value]) => format.setUint16(at, value, true));
  [[4, RATE], [8, 2 * RATE]].forEach(([at, value]) => format.setUint32(at, value, true));
  const parts = [
    ascii("WAVE"), chunk("fmt ", new Uint8Array(format.buffer)), chunk("LIST", bytes([ascii("INFO"), ...info])),
    chunk("data", new Uint8Array(pcm(samples).buffer)),
  ];
  return new Blob([chunk("RIFF", bytes(parts))], { type: "audio/wav" });
}

function pcm(samples) {
  return Int16Array.from(samples, (sample) => Math.max(-1, Math.min(1, sample)) * 32767);
}

function ascii(text) { return new TextEncoder().encode(text); }

function bytes(parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return whole;
}

function chunk(name, content) {
  const size = new DataView(new ArrayBuffer(4));
  size.setUint32(0, content.length, true);
  return bytes([ascii(name), new Uint8Array(size.buffer), content, new Uint8Array(content.length % 2)]);
}
