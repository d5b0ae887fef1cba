// The page: what is typed, said and pressed becomes events, and events become words and sound.

import { Connection } from "/page/connection.js";
import { Log } from "/page/log.js";
import { Microphone } from "/page/microphone.js";
import { fromBase64, joined, toBase64, wav } from "/page/sound.js";
import { Speaker } from "/page/speaker.js";

const find = (id) => document.getElementById(id);
const state = document.documentElement.dataset; // for the style, and for whoever looks on
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? sessionStorage.getItem("token");
if (token) {
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname);
}

const connection = new Connection(token);
const speaker = new Speaker();
const microphone = new Microphone();
const log = new Log(find("log"));

let answering = null; // the id of the response under way
let asked = { at: 0, from: "asking" }; // when the last question ended, and what ended it
let silence = 0; // milliseconds that the server waits for the end of a question
let models = [];

const STATES = {
  connecting: "connecting",
  connected: "connected",
  lost: "the connection is lost, trying again",
  full: "the server is full, trying again",
  "taken over": "this conversation goes on in another tab",
};

connection.onstate = (now) => {
  find("status").textContent = STATES[now];
  state.connection = now;
  find("send").disabled = now !== "connected";
  microphone.forget();
  if (now !== "connected") ended();
};

connection.on({
  "session.created": ({ session }) => {
    if (connection.session && connection.session !== session.id && log.entries.size) {
      log.note("The server knows no more of what was said above.");
    }
    connection.session = session.id;
    told(session);
    if (voice.value !== "default") choose();
  },
  "session.updated": ({ session }) => told(session),
  "conversation.item.added": ({ item }) => {
    const entry = log.entry(item.id, item.role);
    if (item.status === "in_progress") log.busy(true);
    entry.draw({ replay, download });
  },
  "conversation.item.done": ({ item }) => {
    const words = item.content.map((part) => part.text ?? part.transcript ?? "").join(" ");
    log.entry(item.id, item.role).ends(words, item.status === "completed");
  },
  "conversation.item.deleted": ({ item_id }) => log.remove(item_id),
  "conversation.item.truncated": ({ item_id }) => {
    const entry = log.entries.get(item_id);
    if (entry) { entry.whole = false; entry.draw(); }
  },
  "input_audio_buffer.speech_started": () => { state.hearing = "true"; hush(); },
  "input_audio_buffer.speech_stopped": ({ audio_end_ms }) => {
    state.hearing = "false";
    asked = { at: microphone.when(audio_end_ms - silence), from: "you stopped speaking" };
  },
  "response.created": ({ response }) => {
    answering = response.id;
    find("stop").disabled = false;
  },
  "response.output_item.added": ({ item }) => {
    const entry = log.entry(item.id, item.role);
    entry.since = asked;
    speaker.begin(entry);
  },
  "response.output_audio_transcript.delta": ({ item_id, delta }) => written(log.entry(item_id, "assistant"), delta),
  "response.output_audio.delta": ({ item_id, delta }) => {
    const entry = log.entry(item_id, "assistant"), samples = fromBase64(delta);
    entry.pieces.push(samples);
    speaker.play(entry, samples.slice());
  },
  "response.output_audio.done": ({ item_id }) => speaker.finish(log.entry(item_id, "assistant")),
  "response.done": () => ended(),
  error: ({ error }) => {
    if (error.code !== "response_cancel_not_active") complain(error.message);
  },
});

function told(session) {
  silence = session.audio.input.turn_detection?.silence_duration_ms ?? 0;
  find("microphone").disabled = !session.audio.input.turn_detection;
}

function written(entry, delta) {
  if (!entry.text) entry.latency = { text: performance.now() - entry.since.at, from: entry.since.from };
  entry.add(delta);
}

function ended() {
  answering = null;
  log.busy(false);
  find("stop").disabled = !speaker.current;
}

speaker.onbegan = (entry) => {
  state.playing = "true";
  if (entry.since && entry.latency.audio === undefined) {
    const { context } = speaker;
    const late = 1000 * ((context.outputLatency || 0) + context.baseLatency); // until it is in the air
    entry.latency.audio = performance.now() + late - entry.since.at;
  }
  entry.plays(true);
  find("stop").disabled = false;
};

speaker.onended = (entry) => {
  state.playing = "false";
  entry.plays(false);
  find("stop").disabled = !answering;
};

// Falls silent at once; the server is told how much was heard.
function hush() {
  const entry = speaker.current, heard = Math.round(speaker.played);
  speaker.stop();
  if (!entry?.since || entry.heard) return; // nothing was playing, or an answer was heard again
  entry.heard = true;
  if (heard) connection.send("conversation.item.truncate", { item_id: entry.id, content_index: 0, audio_end_ms: heard });
}

function interrupt() {
  if (answering) connection.send("response.cancel");
  hush();
}

function ask(text) {
  if (!text.trim() || !connection.open) return;
  complain("");
  if (answering || speaker.current) interrupt();
  asked = { at: performance.now(), from: "asking" };
  const content = [{ type: "input_text", text: text.trim() }];
  connection.send("conversation.item.create", { item: { type: "message", role: "user", content } });
  connection.send("response.create");
  find("question").value = "";
}

async function listen() {
  const button = find("microphone");
  complain("");
  if (microphone.on) microphone.close();
  else {
    try {
      await speaker.open();
      await microphone.open();
    } catch (error) {
      microphone.stream = null;
      complain(navigator.mediaDevices
        ? `The microphone cannot be used: ${error.message}`
        : "Browsers give a page the microphone only over https, or on this machine (127.0.0.1).");
    }
  }
  button.setAttribute("aria-pressed", microphone.on);
}

microphone.onpiece = (samples) => connection.send("input_audio_buffer.append", { audio: toBase64(samples) });
microphone.onlevel = (level) => { find("level").style.transform = `scaleY(${Math.min(1, 6 * level)})`; };

async function replay(entry) {
  if (speaker.current === entry) { speaker.stop(); return; }
  if (answering) interrupt();
  const samples = await audioOf(entry);
  if (!samples) return;
  entry.heard = true;
  speaker.begin(entry);
  speaker.play(entry, samples.slice());
  speaker.finish(entry);
}

async function download(entry) {
  const samples = await audioOf(entry);
  if (!samples) return;
  const [chat, tts] = models;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(wav(samples, {
    synthetic: true,
    digital_source_type: "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    generator: "voicegen", tts_model: tts, chat_model: chat,
  }));
  link.download = `answer-${[...log.entries.keys()].indexOf(entry.id) + 1}.wav`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// What was heard of an answer; one of before the page was opened is spoken again.
async function audioOf(entry) {
  if (!entry.pieces.length) {
    const body = JSON.stringify({ input: entry.text, voice: voice.value, response_format: "pcm" });
    const reply = await fetch("/v1/audio/speech", { method: "POST", body, headers: headers() });
    if (!reply.ok) { complain((await reply.json()).error.message); return null; }
    const bytes = await reply.arrayBuffer();
    entry.pieces.push(Float32Array.from(new Int16Array(bytes), (sample) => sample / 32768));
  }
  return joined(entry.pieces);
}

const voice = find("voice");
function choose() {
  localStorage.setItem("voice", voice.value);
  connection.send("session.update", { session: { type: "realtime", audio: { output: { voice: voice.value } } } });
}

function headers() { return token ? { Authorization: `Bearer ${token}` } : {}; }

function complain(text) {
  find("problem").textContent = text;
  find("problem").hidden = !text;
}

find("ask").addEventListener("submit", (event) => { event.preventDefault(); speaker.open(); ask(find("question").value); });
find("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); find("ask").requestSubmit(); }
});
find("microphone").addEventListener("click", listen);
find("stop").addEventListener("click", interrupt);
voice.addEventListener("change", choose);
find("anew").addEventListener("click", () => {
  interrupt();
  log.clear();
  complain("");
  connection.anew();
  find("question").focus();
});
find("theme").addEventListener("click", () => {
  const dark = state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  localStorage.setItem("theme", (state.theme = dark ? "light" : "dark"));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { interrupt(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("textarea, select")) return;
  if (event.key === "m") listen();
  if (event.key === "r" && log.last) replay(log.last);
});

const theme = localStorage.getItem("theme");
if (theme) state.theme = theme;

async function begin() {
  const [listed, known] = await Promise.all(["/v1/audio/voices", "/v1/models"].map((path) => fetch(path, { headers: headers() })));
  if (listed.status === 401) {
    find("status").textContent = "not connected";
    complain("This server asks for a token: open this page as …/#token=TOKEN.");
    return;
  }
  const { voices } = await listed.json();
  models = (await known.json()).data.map((model) => model.id);
  for (const { id, language } of voices) voice.append(new Option(language ? `${id} (${language})` : id, id));
  const kept = localStorage.getItem("voice");
  if (voices.some(({ id }) => id === kept)) voice.value = kept;
  connection.connect();
  state.ready = "true";
}

begin().catch((error) => complain(`The server cannot be reached: ${error.message}`));
