// A server that executes requests and then breaks, for the specs that count executions.
//
// Owns: a folder for its certificate, two free loopback ports, and the list of what it executed. It does not know Grid:
// the last step of the path says what happens after the request was read to its end, and counted:
//
//   ok             an answer
//   late           an answer after half a second
//   echo           an answer that shows the request: method, headers, the body in hexadecimal digits
//   headers        an answer whose headers come twice, with cookies
//   encoded        an answer in the codings of `?coding=gzip,br`, unknown ones in name alone; `&of=N`: N zero bytes;
//                  `&cut=N`: without its last N bytes
//   trailers       an answer with trailers behind its body
//   flood          an answer with 600 KB of headers                            (HTTP/2)
//   silent         nothing, ever
//   hole           nothing, ever, for any request on this connection           (HTTP/2)
//   retire         an answer, and upon a release the end of the connection
//   twice          an answer, and upon a release another one                   (HTTP/1.1)
//   farewell       an answer, and upon a release GOAWAY and the end of the connection  (HTTP/2)
//   goaway-later   an answer, and upon a release GOAWAY alone                          (HTTP/2)
//   drop           the connection is closed
//   reset          the same with a TCP reset
//   reset-early    the same as soon as the head of the request has come
//   reset-later    an answer, and upon a release a TCP reset
//   half           the connection is closed after a part of the status line    (HTTP/1.1)
//   refuse         RST_STREAM with REFUSED_STREAM                              (HTTP/2, and all that follow)
//   cancel         RST_STREAM with CANCEL
//   downgrade      RST_STREAM with HTTP_1_1_REQUIRED
//   goaway         GOAWAY that names this stream, then the end
//   goaway-below   GOAWAY whose last stream comes before this one, which must not be the first
//
// A second pair of ports speaks HTTP/1.1 by itself, to send bytes that no request asked for. Behind the answer of the last step
// (length, chunked, empty, head; open, which has no length; misnamed, whose status line names HTTP/2) come, in the same write and
// so in the same TLS record:
//
//   nothing · foreign (another answer) · byte · line · many (1,000 answers) · end (the connection's)
//   sever          the end of the connection, below TLS
//   later          another answer upon a release
//   apart          another answer, in a write of its own
//   late           nothing; the answer itself comes after 100 ms
//
// A third port speaks HTTP/1.1 over TLS 1.2, and begins each connection with an answer: the server ends that handshake.
//
// A proxy over TLS sends what has come from the server within 20 ms in one write, so that it arrives in one TLS record.
//
// /auth/refresh-session is answered after 300 ms. Below /foreign, it is /length/foreign.
//
// `?case=NAME` files an execution under a name; GET /executions?case=NAME lists them.
// GET /release does what was held back, and is answered when that is with the client. It ends with the process of --watch.
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import tls from "node:tls";
import zlib from "node:zlib";
import { certificate, endWith, listening } from "./loopback.mjs";

const REFUSED_STREAM = 7, CANCEL = 8, HTTP_1_1_REQUIRED = 13; // RFC 9113 section 7

const executions = new Map(); // case -> [{ connection, position, version, method, key }]
const connections = new WeakMap(); // socket or session -> { number, requests }
const deaf = new WeakSet(); // sessions
let connectionCount = 0;

function placeOf(carrier) {
  if (!connections.has(carrier)) connections.set(carrier, { number: ++connectionCount, requests: 0 });
  const place = connections.get(carrier);
  return { connection: place.number, position: ++place.requests };
}

function execute(name, req, carrier) {
  const list = executions.get(name) ?? [];
  executions.set(name, list);
  list.push({ ...placeOf(carrier), version: req.httpVersion, method: req.method,
    key: req.headers["x-idempotency-key"] });
}

function answer(res, value) {
  res.setHeader("content-type", "application/json");
  res.end(JSON.stringify(value));
}

const sockets = new Map(); // remote port -> TCP socket, below TLS and HTTP/2

function track(socket) {
  sockets.set(socket.remotePort, socket);
  socket.on("close", () => sockets.delete(socket.remotePort));
}

const ok = (carrier, res) => answer(res, { data: {} });
const late = (carrier, res) => setTimeout(ok, 500, carrier, res);
const silent = () => {};
const echo = (carrier, res, req) => answer(res, { method: req.method, headers: req.headers, body: Buffer.concat(req.chunks).toString("hex") });

function headers(carrier, res) {
  res.setHeader("X-Twice", ["one", "two"]);
  res.setHeader("Set-Cookie", ["a=1, b; Path=/", "c=2"]);
  res.setHeader("Retry-After", "7");
  ok(carrier, res);
}

const codings = {
  gzip: zlib.gzipSync, "x-gzip": zlib.gzipSync, deflate: zlib.deflateSync, "deflate-raw": zlib.deflateRawSync,
  "deflate-none": (bytes) => zlib.deflateRawSync(bytes, { level: 0 }), br: zlib.brotliCompressSync,
  "gzip-junk": (bytes) => Buffer.concat([zlib.gzipSync(bytes), Buffer.from("junk")]),
  "gzip-members": (bytes) => Buffer.concat([zlib.gzipSync(bytes.subarray(0, 9)), zlib.gzipSync(bytes.subarray(9))]),
};

function encoded(carrier, res, req) {
  const query = new URL(req.url, "http://server").searchParams;
  const [list, of] = [query.get("coding").split(","), query.get("of")];
  let body = Buffer.from(of ? Buffer.alloc(Number(of)) : JSON.stringify({ data: { accepts: req.headers["accept-encoding"] } }));
  for (const name of list) body = codings[name]?.(body) ?? body;
  res.setHeader("content-encoding", list.join(", ").replaceAll(/-raw|-none|-junk|-members/g, ""));
  res.end(body.subarray(0, body.length - Number(query.get("cut"))));
}

function trailers(carrier, res) {
  res.setHeader("Trailer", "x-request-id");
  res.write('{"data":{}}');
  res.addTrailers({ "x-request-id": "forged", "set-cookie": "a=b" });
  res.end();
}

// Acts of faults that wait for GET /release, each with the sign that the client's system has
// taken what the act sends: on a busy machine it arrives after the write that sent it.
const held = []; // { act, ends, has }

const hex = (port) => port.toString(16).toUpperCase().padStart(4, "0");
const hold = (socket, has, act) => held.push({ act, has, ends: [hex(socket.remotePort), hex(socket.localPort)] });

// proc_net_tcp(5): entry, local and remote address, state, tx_queue:rx_queue
function clientOf([client, server]) {
  for (const line of readFileSync("/proc/net/tcp", "latin1").split("\n")) {
    const [, local, remote, state, queues] = line.trim().split(/\s+/);
    if (local?.endsWith(":" + client) && remote.endsWith(":" + server))
      return { isOpen: state === "01", input: Number.parseInt(queues.split(":")[1], 16) };
  }
  return { isOpen: false, input: 0 };
}

const itsEnd = (client) => !client.isOpen;
const input = (client) => client.input > 0 || !client.isOpen;

async function release(res) {
  for (const { act, has, ends } of held.splice(0)) {
    act();
    while (!has(clientOf(ends))) await pause(1);
  }
  answer(res, {});
}

function retire(socket, res) {
  ok(socket, res);
  hold(socket, itsEnd, () => socket.end());
}

function twice(socket, res) {
  ok(socket, res);
  hold(socket, input, () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"data":"unused"}'));
}

function flood(stream, res) {
  for (let i = 0; i < 4000; i++) res.setHeader(`x-${i}`, "v".repeat(150));
  ok(stream, res);
}

const drop = (socket) => sockets.get(socket.remotePort).destroy();
const reset = (socket) => sockets.get(socket.remotePort).resetAndDestroy();

function resetLater(socket, res) {
  const carrier = sockets.get(socket.remotePort);
  ok(socket, res);
  hold(carrier, itsEnd, () => carrier.resetAndDestroy());
}

const faultsOfSocket = {
  ok, late, echo, headers, encoded, trailers, silent, retire, twice, drop, reset,
  "reset-later": resetLater,
  half: (socket) => socket.end("HTTP/1.1 2"),
};

function later(stream, res, has, act) {
  const { session } = stream;
  ok(stream, res);
  hold(session.socket, has, () => act(session));
}

const faultsOfStream = {
  ok, late, echo, headers, encoded, trailers, silent, flood,
  retire: (stream, res) => retire(sockets.get(stream.session.socket.remotePort), res),
  drop: (stream) => drop(stream.session.socket),
  reset: (stream) => reset(stream.session.socket),
  farewell: (stream, res) => later(stream, res, itsEnd, (session) => session.close()),
  "goaway-later": (stream, res) => later(stream, res, input, (session) => session.goaway()),
  "reset-later": (stream, res) => resetLater(stream.session.socket, res),
  refuse: (stream) => stream.close(REFUSED_STREAM),
  cancel: (stream) => stream.close(CANCEL),
  downgrade: (stream) => stream.close(HTTP_1_1_REQUIRED),
  goaway: (stream) => stream.session.destroy(),
  "goaway-below": (stream) => stream.session.goaway(0, stream.id - 2),
};

// A target as `//` is a path, and no address that begins with a host.
const addressOf = (target) => new URL("http://server" + target);

function serve(req, res) {
  const url = addressOf(req.url);
  const name = url.searchParams.get("case") ?? "";
  if (url.pathname === "/release") return release(res);
  if (url.pathname === "/executions") return answer(res, executions.get(name) ?? []);
  const fault = url.pathname.split("/").pop();
  if (fault === "hole" && req.httpVersionMajor === 2) deaf.add(req.stream.session);
  if (req.httpVersionMajor === 2 && deaf.has(req.stream.session)) return;
  if (fault === "reset-early") return reset(req.httpVersionMajor === 2 ? req.stream.session.socket : req.socket);
  req.chunks = [];
  req.on("data", (chunk) => req.chunks.push(chunk));
  req.on("end", () => {
    const second = req.httpVersionMajor === 2;
    if (second && !req.stream.session) return; // given up during its body
    execute(name, req, second ? req.stream.session : req.socket);
    const acts = second ? faultsOfStream : faultsOfSocket;
    if (Object.hasOwn(acts, fault)) return acts[fault](second ? req.stream : req.socket, res, req);
    res.statusCode = 404;
    answer(res, { error: `no fault ${fault}` });
  });
}

const FOREIGN = 'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"data":"foreign"}';
const NOT_FOUND = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
const surplus = { nothing: "", foreign: FOREIGN, byte: "H", line: "\r\n", many: FOREIGN.repeat(1000), end: "", later: "", apart: "", late: "" };
surplus.sever = "";
surplus["refresh-session"] = "";
const framings = {
  auth: (body) => framings.length(body),
  length: (body) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  misnamed: (body) => framings.length(body).replace("/1.1", "/2"),
  chunked: (body) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  open: (body) => `HTTP/1.1 200 OK\r\n\r\n${body}`,
  empty: () => "HTTP/1.1 204 No Content\r\n\r\n",
  head: (body) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`,
};

function answerRaw(socket, method, target, headers) {
  const url = addressOf(target);
  const [framing, last] = url.pathname.split("/").slice(-2);
  const then = url.pathname.startsWith("/foreign/") ? "foreign" : last;
  if (!Object.hasOwn(framings, framing) || !Object.hasOwn(surplus, then)) return socket.end(NOT_FOUND);
  execute(url.searchParams.get("case") ?? "", { httpVersion: "1.1", method, headers }, socket);
  const bytes = framings[framing](JSON.stringify({ data: { method } })) + surplus[then];
  if (then === "refresh-session") return setTimeout(() => socket.write(bytes), 300);
  if (then === "late") return setTimeout(() => socket.write(bytes), 100);
  socket.write(bytes, () => then === "sever" && sockets.get(socket.remotePort).end());
  if (then === "end") hold(socket, itsEnd, () => {});
  if (then === "end") socket.end();
  if (then === "apart") socket.write(FOREIGN);
  if (then === "later") hold(socket, input, () => socket.write(FOREIGN));
}

function serveRaw(socket) {
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    const head = text.match(/^(\w+) (\S+) [^]*?\r\n\r\n/);
    const length = Number(head?.[0].match(/\r\ncontent-length: *(\d+)/i)?.[1] ?? 0);
    if (!head || text.length < head[0].length + length) return;
    text = "";
    answerRaw(socket, head[1], head[2], {});
  });
}

function serveProxy(client) {
  let text = "", target;
  const [toClient, quiet] = [[], () => {}];
  function flush() {
    client.write(Buffer.concat(toClient.splice(0)));
  }
  client.on("error", quiet);
  client.on("close", () => target?.destroy());
  client.on("data", (chunk) => {
    if (target) return target.write(chunk);
    text += chunk.toString("latin1");
    if (!text.endsWith("\r\n\r\n")) return;
    target = net.connect(Number(text.match(/^CONNECT \S+:(\d+) /)[1]), "127.0.0.1");
    target.on("error", quiet);
    target.on("close", () => setTimeout(() => client.end(), 20));
    target.on("data", (bytes) => toClient.push(bytes) === 1 && setTimeout(flush, 20));
    client.write("HTTP/1.1 200 OK\r\n\r\n");
  });
}

endWith(process.argv);
const { key, cert, file } = certificate;
const plain = http.createServer({ keepAliveTimeout: 60000 }, serve);
const secure = http2.createSecureServer({ key, cert, allowHTTP1: true, maxSendHeaderBlockLength: 1 << 20 }, serve);
secure.on("sessionError", () => {});
plain.on("clientError", () => {});
const narrow = http2.createSecureServer({ key, cert, settings: { initialWindowSize: 0 } }, serve); // takes no body, ever
const [rawServer, rawTls] = [net.createServer(serveRaw), tls.createServer({ key, cert }, serveRaw)];
for (const server of [plain, secure, rawServer, rawTls]) server.on("connection", track);
const proxy = tls.createServer({ key, cert }, serveProxy);
const [httpPort, httpsPort, narrowPort] = [await listening(plain), await listening(secure), await listening(narrow)];
const eager = tls.createServer({ key, cert, maxVersion: "TLSv1.2" }, (socket) => socket.write(FOREIGN) && serveRaw(socket));
const [rawPort, rawTlsPort, proxyPort] = [await listening(rawServer), await listening(rawTls), await listening(proxy)];
console.log(`ready http=http://127.0.0.1:${httpPort} https=https://localhost:${httpsPort} `
  + `ca=${file} pid=${process.pid} narrow=https://localhost:${narrowPort} `
  + `proxy=https://localhost:${proxyPort} eager=https://localhost:${await listening(eager)} `
  + `rawhttp=http://127.0.0.1:${rawPort} rawhttps=https://localhost:${rawTlsPort}`);
