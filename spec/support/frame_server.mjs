// An HTTP/2 server that sends the frames which a request asks for, in the order, and in the writes, that it asks for.
//
// Owns: a certificate, four loopback ports, and the list of the requests that came to their end. The body of a POST is a script:
//
//   {"case": "name", "times": n, "do": [step, …]}    `times`: so often; later requests of the case get an answer
//
//   ["headers", status, fields, end]     HEADERS; `end`: END_STREAM, too
//   ["data", text, end]                  DATA
//   ["rst", code]                        RST_STREAM
//   ["goaway", last, code]               GOAWAY; `last` is a number to add to this stream's, or "max" for 2^31-1
//   ["settings", id, value]              SETTINGS with one parameter
//   ["frame", type, flags, stream, hex]  any other; `stream` as in "goaway", or "zero"
//   ["cut"]                              what follows goes out in another write, and so in another TLS record
//   ["wait", milliseconds]
//   ["gather", n]                        waits until this connection has had n requests
//   ["note"]                             the case has one more in the list of its requests, when what precedes is written
//   ["repeat", n]                        the frames since the last cut are sent n times
//   ["forever", milliseconds]            the frames since the last cut are sent until the connection ends, with such a pause
//   ["end"], ["sever"], ["reset"]        the end of the connection, by close_notify and FIN, by FIN, or by RST
//
// A request without a body is answered at once. GET /executions?case=NAME over plain HTTP lists the requests of a name. A
// connection begins with SETTINGS; on the port `none`, they allow no stream, on `early` no byte of a body: there a request meets
// the script that was posted to /early, as soon as its head has come. It ends with the process of --watch.
import http from "node:http";
import tls from "node:tls";
import { certificate, endWith, listening } from "./loopback.mjs";

const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION] = [0, 1, 3, 4, 6, 7, 9]; // RFC 9113 section 6
const END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8;
const MAX_CONCURRENT_STREAMS = 3, INITIAL_WINDOW_SIZE = 4, LARGEST = 2 ** 31 - 1;
const PREFACE_BYTES = 24, HEADER_BYTES = 9;
const WRITE_BYTES = 256 * 1024;

const ANSWER = [["headers", 200, {}], ["data", '{"data":{}}', true]];

const executions = new Map(); // case -> [{ connection, stream }]
let connectionCount = 0;

function number(value, bytes) {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  return Buffer.concat([number(payload.length, 3), Buffer.from([type, flags]), number(stream, 4), payload]);
}

// RFC 7541 section 6.2.2: a literal without indexing, with a new name, and no Huffman code
function field(name, value) {
  const text = (string) => {
    const bytes = Buffer.from(String(string));
    return bytes.length < 127 ? Buffer.concat([Buffer.from([bytes.length]), bytes])
      : Buffer.concat([Buffer.from([127, ((bytes.length - 127) & 127) | 128, (bytes.length - 127) >> 7]), bytes]);
  };
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

function headers(stream, status, fields, end) {
  const block = [field(":status", status), ...Object.entries(fields || {}).map(([name, value]) => field(name, value))];
  return frame(HEADERS, END_HEADERS | (end ? END_STREAM : 0), stream, Buffer.concat(block));
}

const settings = (id, value) => frame(SETTINGS, 0, 0, Buffer.concat([number(id, 2), number(value, 4)]));

const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

class Connection {
  constructor(socket, first, early) {
    Object.assign(this, { socket, early, number: ++connectionCount, came: 0, input: Buffer.alloc(0), skipped: false, bodies: new Map() });
    socket.on("data", (bytes) => this.read(bytes));
    socket.on("error", () => {});
    socket.write(first);
  }

  read(bytes) {
    this.input = Buffer.concat([this.input, bytes]);
    if (!this.skipped && this.input.length >= PREFACE_BYTES) {
      this.input = this.input.subarray(PREFACE_BYTES);
      this.skipped = true;
    }
    while (this.skipped && this.input.length >= HEADER_BYTES) {
      const size = HEADER_BYTES + this.input.readUIntBE(0, 3);
      if (this.input.length < size) return;
      this.take(this.input[3], this.input[4], this.input.readUInt32BE(5) & LARGEST, this.input.subarray(HEADER_BYTES, size));
      this.input = this.input.subarray(size);
    }
  }

  take(type, flags, stream, payload) {
    if (type === SETTINGS && !(flags & ACK)) this.socket.write(frame(SETTINGS, ACK, 0));
    if (type === DATA) {
      const body = flags & PADDED ? payload.subarray(1, payload.length - payload[0]) : payload;
      this.bodies.set(stream, Buffer.concat([this.bodies.get(stream) ?? Buffer.alloc(0), body]));
    }
    if (this.early) return type === HEADERS && this.serve(stream, this.early());
    if ((type === DATA || type === HEADERS) && flags & END_STREAM) this.serve(stream, String(this.bodies.get(stream) ?? ""));
  }

  serve(stream, body) {
    const script = body ? JSON.parse(body) : {};
    const list = executions.get(script.case) ?? [];
    executions.set(script.case, list);
    list.push({ connection: this.number, stream });
    this.came++;
    this.run(stream, script.do && list.length <= (script.times ?? Infinity) ? script.do : ANSWER, list);
  }

  write(frames) {
    return new Promise((resolve) => this.socket.writable ? this.socket.write(Buffer.concat(frames), resolve) : resolve());
  }

  async run(stream, steps, list) {
    const at = (last) => ({ max: LARGEST, zero: 0 })[last] ?? Math.max(stream + last, 0);
    let frames = [];
    const cut = async () => {
      const out = frames;
      frames = [];
      if (out.length) await this.write(out);
    };
    for (const [name, ...rest] of steps) {
      if (name === "headers") frames.push(headers(stream, ...rest));
      else if (name === "data") frames.push(frame(DATA, rest[1] ? END_STREAM : 0, stream, Buffer.from(rest[0])));
      else if (name === "rst") frames.push(frame(RST_STREAM, 0, stream, number(rest[0], 4)));
      else if (name === "goaway") frames.push(frame(GOAWAY, 0, 0, Buffer.concat([number(at(rest[0]), 4), number(rest[1], 4)])));
      else if (name === "settings") frames.push(settings(...rest));
      else if (name === "frame") frames.push(frame(rest[0], rest[1], at(rest[2]), Buffer.from(rest[3] ?? "", "hex")));
      else if (name === "forever") return this.forever(frames, ...rest);
      else if (name === "repeat") await this.repeat(frames.splice(0), ...rest);
      else {
        await cut();
        if (name === "wait") await later(rest[0]);
        if (name === "gather") while (this.came < rest[0]) await later(5);
        if (name === "note") list.push({ connection: this.number, stream });
        if (name === "end") this.socket.end();
        if (name === "sever") this.socket.tcp.end();
        if (name === "reset") this.socket.tcp.resetAndDestroy();
      }
    }
    await cut();
  }

  async repeat(frames, times) {
    const one = Buffer.concat(frames);
    const fit = Math.min(times, Math.ceil(WRITE_BYTES / one.length));
    const many = Buffer.concat(Array(fit).fill(one));
    for (let left = times; left > 0; left -= fit) await this.write([many.subarray(0, Math.min(fit, left) * one.length)]);
  }

  async forever(frames, pause) {
    while (this.socket.writable) {
      await this.write(frames);
      await later(pause);
    }
  }
}

function serve(first, early) {
  const sockets = new Map(); // remote port -> TCP socket, below TLS
  const server = tls.createServer({ ...certificate, ALPNProtocols: ["h2"] }, (socket) => {
    socket.tcp = sockets.get(socket.remotePort);
    new Connection(socket, first, early);
  });
  server.on("connection", (socket) => sockets.set(socket.remotePort, socket));
  server.on("tlsClientError", () => {});
  return listening(server);
}

endWith(process.argv);
let early = "{}";
const plain = http.createServer(async (req, res) => {
  if (req.method === "POST") early = (await req.toArray()).join("");
  res.end(JSON.stringify(executions.get(new URL(req.url, "http://server").searchParams.get("case")) ?? []));
});
const [httpPort, httpsPort] = [await listening(plain), await serve(frame(SETTINGS, 0, 0))];
const [nonePort, earlyPort] = [await serve(settings(MAX_CONCURRENT_STREAMS, 0)),
  await serve(settings(INITIAL_WINDOW_SIZE, 0), () => early)];
console.log(`ready http=http://127.0.0.1:${httpPort} https=https://localhost:${httpsPort} none=https://localhost:${nonePort} `
  + `early=https://localhost:${earlyPort} ca=${certificate.file} pid=${process.pid}`);
