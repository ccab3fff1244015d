// Prints JSON numbers and what ECMAScript makes of them, one pair a line, for number_test.c.
// usage: node numbers.js COUNT    COUNT random doubles, then the edge cases

const bits = new DataView(new ArrayBuffer(8));
let out = [];

function print(text) {
  const value = JSON.parse(text);
  out.push(text + " " + (Number.isFinite(value) ? String(value) : "refused") + "\n");
  if (out.length === 10000) flush();
}

function flush() {
  require("fs").writeSync(1, out.join(""));
  out = [];
}

// xorshift64*, seeded, so that a failure comes back on the next run
let state = 88172645463325252n;
function random64() {
  state ^= state >> 12n;
  state = BigInt.asUintN(64, state ^ (state << 25n));
  state ^= state >> 27n;
  return BigInt.asUintN(64, state * 2685821657736338717n);
}
const below = (n) => Number(random64() % BigInt(n));

function fromBits(pattern) {
  bits.setBigUint64(0, pattern);
  return bits.getFloat64(0);
}
function toBits(value) {
  bits.setFloat64(0, value);
  return bits.getBigUint64(0);
}

// 17 digits name a double; 21 name it as well, but are more than any shortest form has
function printDouble(value) {
  if (Number.isFinite(value)) print(below(4) ? value.toPrecision(17) : value.toExponential(20));
}

function randomDouble() {
  switch (below(4)) {
    case 0: return fromBits(random64() >> 12n); // subnormal
    case 1: return below(2 ** 53) * 10 ** (below(40) - 20); // the size of things people count
    default: return fromBits(random64());
  }
}

function randomText() {
  let digits = String(1 + below(9));
  for (let n = below(30); n > 0; n--) digits += below(10);
  if (below(2)) digits = digits[0] + "." + digits.slice(1) + "0";
  return (below(2) ? "-" : "") + digits + (below(2) ? "e" : "E+") + below(below(4) ? 25 : 320);
}

// The exact decimal text of the middle between a positive double and the next, plus `more` in the last place
function middle(value, more) {
  const pattern = toBits(value);
  const biased = Number(pattern >> 52n);
  const fraction = pattern & ((1n << 52n) - 1n);
  const odd = ((biased ? fraction | (1n << 52n) : fraction) << 1n) + 1n; // in units of half a last place
  const exponent = (biased || 1) - 1076;
  if (exponent >= 0) return String(odd << BigInt(exponent)) + (more ? ".0001" : "");
  return String(odd * 5n ** BigInt(-exponent) + BigInt(more)) + "e" + exponent;
}

const count = Number(process.argv[2]);
for (let i = 0; i < count; i++) printDouble(randomDouble());
for (let i = 0; i < count / 20; i++) print(randomText());
for (let i = 0; i < count / 200; i++)
  for (const more of [-1, 0, 1]) {
    const value = Math.abs(randomDouble());
    if (Number.isFinite(value)) print(middle(value, more));
  }
for (let power = -1074; power < 1024; power++)
  for (const step of [-1n, 0n, 1n]) printDouble(fromBits(toBits(2 ** power) + step));
for (let power = -340; power < 330; power++)
  for (const lead of ["1", "-1", "5", "9.5", "0.1", "123456789012345", "99999999999999995"]) {
    print(lead + "e" + power);
    const value = Number(lead + "e" + power);
    if (value > 0) for (const step of [-1n, 1n]) printDouble(fromBits(toBits(value) + step));
  }
for (let i = 0; i < 2000; i++) print(String(2n ** 53n - 1000n + BigInt(i)));
for (const zeros of [760, 790, 800, 810, 5000]) {
  print("9007199254740993." + "0".repeat(zeros)); // half way: to even
  print("9007199254740993." + "0".repeat(zeros) + "1"); // just above it
  print("1" + "0".repeat(zeros) + "e-" + zeros);
  print("0." + "0".repeat(zeros) + "17e" + zeros);
}
for (const text of ["0", "-0", "0.0", "-0.0e-5", "0e999999999999999999999", "1e999999999999999999999",
  "1e-999999999999999999999", "-1e-400", "2.4703282292062327e-324", "2.4703282292062328e-324", "1.7976931348623158e308",
  "1.7976931348623159e308", "-1e309", "1E400", "1.0", "100E-2", "12e+0"]) print(text);
flush();
