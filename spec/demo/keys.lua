-- P-256 key pairs, made by the openssl command. Owns: where a private key goes, which is nowhere or one file of mode 0600.

local shell = require "spec.demo.shell"

local keys = {}

local MAKE = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
local PUBLIC = "openssl pkey -pubout -outform DER"
local TEXT = "base64 | tr -d '\\n'"

-- The SPKI DER of every P-256 key with an uncompressed point begins so.
local SPKI = "^MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"

--- The public key of a pair whose private half is thrown away: base64 of the SPKI DER.
function keys.passing()
  return assert(shell.capture(MAKE .. " | " .. PUBLIC .. " | " .. TEXT), "openssl made no key")
end

--- The public key of the private key in a PEM file, which is made if there is none. -> text, made | nil, message
function keys.kept(path)
  local file = shell.quote(path)
  local made = not shell.succeeds("test -e " .. file)
  if made and not shell.succeeds("umask 077 && " .. MAKE .. " -out " .. file) then
    return nil, path .. ": the key cannot be written"
  end
  local public = shell.capture(PUBLIC .. " -in " .. file .. " 2>/dev/null | " .. TEXT)
  if not public or not public:find(SPKI) then return nil, path .. ": not a private P-256 key in PEM" end
  return public, made
end

return keys
