// What the servers of the specs share: a certificate for localhost, a port, and an end.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Before there is a folder to remove.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => process.exit(0));

function makeCertificate() {
  const dir = mkdtempSync(join(tmpdir(), "fault-server-"));
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
  { stdio: "ignore" });
  return { key: readFileSync(key), cert: readFileSync(cert), file: cert };
}

export const certificate = makeCertificate();

export const listening = (server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

// The process ends with the process that `--watch` names.
export function endWith(argv) {
  const watched = argv[2] === "--watch" && Number(argv[3]);
  if (!watched) return;
  setInterval(() => {
    try { process.kill(watched, 0); } catch { process.exit(0); }
  }, 500).unref();
}
