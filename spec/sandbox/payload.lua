-- The text that a session's authorization key is to sign: a request to Privy to sign a
-- transaction. It is sound JSON and far from canonical, so that only who brings it into
-- canonical form (RFC 8785) makes a valid signature.
-- Does not know: keys, signatures.

local bytes = require "sandbox.bytes"

local payload = {}

-- What no server needs to say and any may: names whose order differs in UTF-8 and UTF-16,
-- numbers and letters in spellings that are not the canonical ones.
local ODDITIES = [[{
    "\ufb33": "\u20ac$\u000f\nA'\u0042\u0022\u005c\\\"\/", "\ud83d\ude00": [], "\r": {}, "ö": "caf\u00e9 \/ thé",
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 1E3, -0.0, 1.50, 9007199254740993, 1e-27],
    "10": null, "9": true, "": false }]]

local APP_ID = bytes.random_text(18)

---@param wallet_id string
---@param transaction string base64
---@return string  JSON text
function payload.text(wallet_id, transaction)
  return ([[{ "version": 1.0, "url": "https:\/\/api.privy.io\/v1\/wallets\/%s\/rpc", "method": "POST",
  "headers": { "privy-idempotency-key": "%s", "privy-app-id": "%s" },
  "body": { "method": "signTransaction", "params": { "transaction": "%s", "encoding": "base64" },
    "chain_type": "solana", "metadata": ]]):format(wallet_id, bytes.uuid(), APP_ID, transaction) .. ODDITIES .. " } }\n"
end

return payload
