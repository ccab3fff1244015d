// node's undici, one connection: `undici.mjs CALLS` prints the seconds and the seconds of
// processor of the second of two rounds, as drive.lua does.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Client } from "undici";

const { BENCH_DIR, BENCH_URL, BENCH_API_KEY } = process.env;
const key = readFileSync(`${BENCH_DIR}/key`, "utf8");
const payload = readFileSync(`${BENCH_DIR}/payload`, "utf8");
const client = new Client(BENCH_URL);

async function call() {
  const { statusCode, body } = await client.request({
    method: "POST",
    path: "/api/grid/v1/auth/refresh-session",
    headers: {
      authorization: `Bearer ${BENCH_API_KEY}`,
      accept: "application/json",
      "content-type": "application/json",
      "x-grid-environment": "sandbox",
      "x-idempotency-key": randomUUID(),
    },
    body: `{"encryption_public_key":${JSON.stringify(key)},"kms_payload":${payload}}`,
  });
  const answer = await body.json();
  if (statusCode !== 200 || !answer.data.kms_payload.session.Privy) throw new Error(`status ${statusCode}`);
}

async function round(calls) {
  for (let i = 0; i < calls; i++) await call();
}

const calls = Number(process.argv[2]);
await round(calls);
const start = performance.now(), before = process.cpuUsage();
await round(calls);
const used = process.cpuUsage(before), seconds = (performance.now() - start) / 1e3;
console.log(seconds.toFixed(6), ((used.user + used.system) / 1e6).toFixed(6));
await client.close();
