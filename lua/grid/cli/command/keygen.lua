-- grid keygen: a key pair. Knows nothing of sessions and of the service.

local core = require "grid.core"
local grid = require "grid"
local session_file = require "grid.cli.session_file"
local exit = require "grid.cli.exit"

local keygen = {
  arguments = {},
  options = {
    out = { value = "FILE", help = "where the private key goes, 0600; without it, standard output, if that is no terminal" },
    force = { help = "replace FILE if it is there: what was sealed to the old key cannot be opened any more" },
  },
  text = [[
Makes a P-256 key pair, to receive authorization keys with. The private key is written as one line, base64 of
PKCS#8 DER. The public key, to be sent as encryption_public_key, is printed.
]],
}

local function to_file(given, screen, pair)
  local path = given.out
  exit.if_there(path, given.force)
  local saved, kind, code, message = exit.unless(session_file.begin(path)):commit(pair:export() .. "\n")
  if not saved then exit.failed(require("grid.errors").from_core(kind, code, message)) end
  screen:rows { { "public key", pair.public_key }, { "fingerprint", pair.key:fingerprint() }, { "private key", "in " .. path } }
  screen:object { file = path, public_key = pair.public_key, fingerprint = pair.key:fingerprint() }
  return 0
end

function keygen.run(given, screen)
  if not given.out and given.json then exit.usage "keygen: --json shows no secret, so it needs --out FILE" end
  if not given.out and core.is_terminal(1) then
    exit.usage "keygen: a private key is not shown on a terminal: use --out FILE, or a pipe"
  end
  local pair = exit.unless(grid.keypair())
  if given.out then return to_file(given, screen, pair) end
  screen:write(pair:export(), "\n")
  screen:note("public key: %s", pair.public_key)
  return 0
end

return keygen
