// The WebSocket, opened again when it drops; the conversation goes on by its id, which this tab alone has.

const PATIENCE = [300, 700, 1500, 3000, 6000]; // milliseconds before each next attempt
const TAKEN_OVER = 4000;
const TRY_LATER = 1013;

export class Connection {
  constructor(token) {
    this.token = token;
    this.handlers = {};
    this.onstate = () => {};
    this.failed = 0;
  }

  on(handlers) { Object.assign(this.handlers, handlers); }

  get session() { return sessionStorage.getItem("session"); }
  set session(id) { id ? sessionStorage.setItem("session", id) : sessionStorage.removeItem("session"); }

  get open() { return this.socket?.readyState === WebSocket.OPEN; }

  connect() {
    clearTimeout(this.waiting);
    if (!this.failed) this.onstate("connecting");
    const url = new URL("/v1/realtime", location.href.replace(/^http/, "ws"));
    url.hash = "";
    if (this.session) url.searchParams.set("session", this.session);
    const protocols = ["realtime", ...(this.token ? [`openai-insecure-api-key.${this.token}`] : [])];
    const socket = (this.socket = new WebSocket(url, protocols));
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "session.created") { this.failed = 0; this.onstate("connected"); }
      this.handlers[event.type]?.(event);
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.socket) return;
      if (code === TAKEN_OVER) { this.onstate("taken over"); return; }
      this.onstate(code === TRY_LATER ? "full" : "lost");
      this.waiting = setTimeout(() => this.connect(), PATIENCE[Math.min(this.failed++, PATIENCE.length - 1)]);
    };
  }

  anew() {
    this.session = null;
    const old = this.socket;
    this.connect();
    old?.close();
  }

  send(type, fields = {}) {
    if (this.open) this.socket.send(JSON.stringify({ type, ...fields }));
  }
}
