-- Calls peer.mjs, the other side of the sandbox's cryptography, from a spec.
-- Does not know: the sandbox.

local json = require "spec.sandbox.json"

local peer = {}

--- Raises what goes wrong there.
---@param what string a command of peer.mjs
---@param asked table|nil
function peer.ask(what, asked)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(json.encode(asked or {}))
  file:close()
  local pipe = assert(io.popen("node spec/sandbox/peer.mjs " .. what .. " <" .. path))
  local text = pipe:read "*a"
  pipe:close()
  os.remove(path)
  local answer = assert(json.decode(text))
  if answer.error then error(answer.error, 0) end
  return answer
end

--- A key pair: base64 of PKCS#8 in `private_key`, of SPKI in `public_key` and
--- `compressed_public_key`.
function peer.keypair() return peer.ask "keypair" end

-- The encrypted key of a payload's text with the key that opens it.
local function sealed_in(payload, pair)
  local key = json.decode(payload).session.Privy.session.encrypted_authorization_key
  return { private_key = pair.private_key, encapsulated_key = key.encapsulated_key, ciphertext = key.ciphertext }
end

--- The authorization key of a payload: its `text` as sealed, and its `public_key`.
function peer.open(payload, pair) return peer.ask("open", sealed_in(payload, pair)) end

--- The signature over `to_sign` (base64 of JSON) by the authorization key of a payload.
---@param how string|nil  a wrong way: "as it is" (not canonical), "ieee-p1363" (not DER)
function peer.sign(payload, pair, to_sign, how)
  local asked = sealed_in(payload, pair)
  asked.payload, asked.how = to_sign, how
  return peer.ask("sign", asked).signature
end

return peer
