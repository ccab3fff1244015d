-- grid keygen: makes a key pair.
-- Owns: its options and its help text.
-- Does not know: sessions, the service.

local core = require "grid.core"
local exit = require "grid.cli.exit"
local grid = require "grid"
local text_file = require "grid.cli.text_file"

local keygen = {
  arguments = {},
  options = {
    out = {
      value = "FILE",
      help = "receives the private key, mode 0600; default: standard output, if it is no terminal",
    },
    force = { help = "replace FILE: sessions of the old key can then no longer be opened" },
  },
  text = [[
Makes a P-256 key pair, which receives authorization keys. The private key is written as one
line, base64 of PKCS#8 DER. The public key is printed: send it as encryption_public_key.
]],
}

local function write_file(given, output, pair)
  local path = given.out
  exit.if_exists(path, given.force)
  exit.assert(text_file.replace(path, pair:export() .. "\n"))
  local fingerprint = pair.key:fingerprint()
  output:rows {
    { "public key", pair.public_key }, { "fingerprint", fingerprint }, { "private key", "in " .. path },
  }
  output:object { file = path, public_key = pair.public_key, fingerprint = fingerprint }
  return 0
end

function keygen.run(given, output)
  if not given.out and given.json then
    exit.usage "keygen: --json shows no secret: use --out FILE"
  end
  if not given.out and core.is_terminal(1) then
    exit.usage "keygen: a private key is not shown on a terminal: use --out FILE, or a pipe"
  end
  local pair = exit.assert(grid.keypair())
  if given.out then return write_file(given, output, pair) end
  output:write(pair:export(), "\n")
  output:note("public key: %s", pair.public_key)
  return 0
end

return keygen
