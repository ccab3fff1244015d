-- Checks that a prepared transaction is the requested one, as far as its bytes show that
-- without trust in the service that prepared the transaction.
-- Owns: the checks. Each returns nil, or a sentence that names the fault.
-- Does not know: calls, keys.

local decode = require "grid.cli.command.move_signer.decode"
local json = require "grid.json"

local prepared = {}

local at = json.at

--- The signers of the transaction must be signers of the account whose keys the session
--- holds. `held` is the set of their addresses.
function prepared.check_signers(answer, held)
  if type(answer.transaction_signers) == "table" then
    for _, address in ipairs(answer.transaction_signers) do
      if not held[address] then
        return ("the prepared transaction names the signer %s, which the request did not name"):format(
          tostring(address))
      end
    end
  end
  for _, payload in ipairs(answer.kms_payloads) do
    if payload.provider ~= nil and payload.provider ~= "privy" then
      return ("the prepared transaction has a payload for another provider, %s"):format(
        tostring(payload.provider))
    end
    if not held[payload.address] then
      return ("the prepared transaction has a payload for %s, which is not a signer of the account "
        .. "whose key this session holds"):format(tostring(payload.address))
    end
  end
end

-- A payload is a request to Privy: it names a wallet, and holds a transaction.
local function check_payload(payload, transaction, wallets)
  local text = decode.base64(payload.payload)
  local request = text and json.decode(text)
  if type(request) ~= "table" then return "a payload to be signed is not JSON" end
  local url = at(request, "url")
  local wallet = type(url) == "string" and url:match "/wallets/([^/]+)"
  if wallet and not wallets[wallet] then
    return "a payload to be signed names a wallet that is not in this session"
  end
  local inner = at(request, "body", "params", "transaction")
  if inner ~= nil and inner ~= transaction then
    return "a payload to be signed holds another transaction than the one that was prepared"
  end
end

--- The transaction must name the account, and the payloads this transaction and a wallet
--- of the session. `wallets` is a set of the ids of its wallets.
function prepared.check_content(answer, account, wallets)
  local bytes, address = decode.base64(answer.transaction), decode.address(account)
  if not bytes then return "the prepared transaction is not base64" end
  if not address or not bytes:find(address, 1, true) then
    return "the prepared transaction does not name the account " .. account
  end
  for _, payload in ipairs(answer.kms_payloads) do
    local problem = check_payload(payload, answer.transaction, wallets)
    if problem then return problem end
  end
end

return prepared
