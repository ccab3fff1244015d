// The other side of the sandbox's cryptography, on node's crypto and nothing else: what the sandbox seals must open
// here, what is signed here it must take, and both must write JSON alike. `node peer.mjs WHAT` reads one JSON
// object from standard input and prints one, `{"error"}` for what cannot be done.

import crypto from "node:crypto";
import { readFileSync } from "node:fs";

const hmac = (key, ...parts) => {
    const mac = crypto.createHmac("sha256", key);
    for (const part of parts) mac.update(part);
    return mac.digest();
};

// RFC 9180 4
const KEM = Buffer.from("KEM\x00\x10", "latin1");
const SUITE = Buffer.from("HPKE\x00\x10\x00\x01\x00\x03", "latin1");
const labeledExtract = (suite, salt, label, ikm) => hmac(salt, "HPKE-v1", suite, label, ikm);
const labeledExpand = (suite, prk, label, info, length) =>
    hmac(prk, Buffer.from([0, length]), "HPKE-v1", suite, label, info, Buffer.from([1])).subarray(0, length);

const SPKI = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
const COMPRESSED_SPKI = Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex");
const privateKey = (base64) =>
    crypto.createPrivateKey({ key: Buffer.from(base64, "base64"), format: "der", type: "pkcs8" });
const publicKey = (point) =>
    crypto.createPublicKey({ key: Buffer.concat([SPKI, point]), format: "der", type: "spki" });
const spki = (key) => crypto.createPublicKey(key).export({ format: "der", type: "spki" });

// RFC 9180 6.1, OpenBase with empty info and aad
function open({ private_key, encapsulated_key, ciphertext }) {
    const own = privateKey(private_key);
    const enc = Buffer.from(encapsulated_key, "base64");
    const dh = crypto.diffieHellman({ privateKey: own, publicKey: publicKey(enc) });
    const kemContext = Buffer.concat([enc, spki(own).subarray(-65)]);
    const shared = labeledExpand(KEM, labeledExtract(KEM, "", "eae_prk", dh), "shared_secret", kemContext, 32);
    const context = Buffer.concat([
        Buffer.from([0]), labeledExtract(SUITE, "", "psk_id_hash", ""), labeledExtract(SUITE, "", "info_hash", ""),
    ]);
    const secret = labeledExtract(SUITE, shared, "secret", "");
    const key = labeledExpand(SUITE, secret, "key", context, 32);
    const nonce = labeledExpand(SUITE, secret, "base_nonce", context, 12);
    const sealed = Buffer.from(ciphertext, "base64");
    const aead = crypto.createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    aead.setAuthTag(sealed.subarray(-16));
    return Buffer.concat([aead.update(sealed.subarray(0, -16)), aead.final()]).toString("latin1");
}

// RFC 8785: ECMAScript compares names by UTF-16 code units, and writes numbers as the RFC asks.
function canonicalize(value) {
    if (Array.isArray(value)) return "[" + value.map(canonicalize).join(",") + "]";
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    const member = (name) => JSON.stringify(name) + ":" + canonicalize(value[name]);
    return "{" + Object.keys(value).sort().map(member).join(",") + "}";
}

// Any form that the plaintext of an authorization key may have.
function authorizationKey(text) {
    text = text.replace(/^wallet-(auth|api):/, "");
    return text.startsWith("-----") ? crypto.createPrivateKey(text) : privateKey(text);
}

function base58(bytes) {
    const letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let number = BigInt("0x" + bytes.toString("hex"));
    let text = "";
    for (; number > 0n; number /= 58n) text = letters[Number(number % 58n)] + text;
    return "1".repeat(bytes.findIndex((byte) => byte !== 0)) + text;
}

const commands = {
    keypair() {
        const { privateKey: made } = crypto.generateKeyPairSync("ec", { namedCurve: "prime256v1" });
        const point = crypto.ECDH.convertKey(spki(made).subarray(-65), "prime256v1", null, null, "compressed");
        return {
            private_key: made.export({ format: "der", type: "pkcs8" }).toString("base64"),
            public_key: spki(made).toString("base64"),
            compressed_public_key: Buffer.concat([COMPRESSED_SPKI, point]).toString("base64"),
        };
    },

    open(sealed) {
        const text = open(sealed);
        return { text, public_key: spki(authorizationKey(text)).toString("base64") };
    },

    // The signature over a payload by the authorization key that was sealed; `how` names one of the wrong ways.
    sign(asked) {
        const bytes = Buffer.from(asked.payload, "base64");
        const text = asked.how === "as it is" ? bytes : Buffer.from(canonicalize(JSON.parse(bytes.toString("utf8"))));
        const key = { key: authorizationKey(open(asked)), dsaEncoding: asked.how === "ieee-p1363" ? asked.how : "der" };
        return { signature: crypto.sign("sha256", text, key).toString("base64") };
    },

    text: ({ text }) => ({ text: Buffer.from(text, "base64").toString("utf8") }),

    // The account that a transaction of one signer is about: after the count, the signature, the header, the count of
    // addresses and the signer's.
    account({ transaction }) {
        const start = 1 + 64 + 3 + 1 + 32;
        return { address: base58(Buffer.from(transaction, "base64").subarray(start, start + 32)) };
    },

    // Two spellings for test vectors: a point in hexadecimal as SPKI, base64 members as hexadecimal.
    spki: ({ point }) => ({ public_key: Buffer.concat([SPKI, Buffer.from(point, "hex")]).toString("base64") }),
    hex: (members) => Object.fromEntries(
        Object.entries(members).map(([name, text]) => [name, Buffer.from(text, "base64").toString("hex")])),

    canonicalize({ texts }) {
        return { texts: texts.map((text) => canonicalize(JSON.parse(text))) };
    },
};

const input = readFileSync(0, "utf8");
let answer;
try {
    answer = commands[process.argv[2]](JSON.parse(input));
} catch (error) {
    answer = { error: error.message };
}
console.log(JSON.stringify(answer));
