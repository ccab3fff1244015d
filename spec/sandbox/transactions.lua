-- Transactions between their two halves: prepared for an account, signed elsewhere,
-- submitted once. Owns the rules of who may sign and with which key. What it refuses, it
-- refuses with a failure `{status, code, message}`.
-- Does not know: HTTP.

local accounts = require "sandbox.accounts"
local bytes = require "sandbox.bytes"
local canonical = require "sandbox.canonical"
local p256 = require "sandbox.p256"
local payload = require "sandbox.payload"
local settings = require "sandbox.settings"
local solana = require "sandbox.solana"
local state = require "sandbox.state"

local transactions = {}

local EXPIRED = "KeyQuorum user session key is expired" -- the documented message

-- Whether Grid holds the key, and a session may sign with it. The others sign the
-- transaction itself, which is not looked into here.
local function is_held(account, address)
  return accounts.signer(account, address).provider == "privy"
end

local function payload_for(address, transaction)
  local owner = state.signers[address]
  local text = payload.text(owner and owner.wallet_id or bytes.random_text(18), transaction)
  return { provider = "privy", address = address, payload = ngx.encode_base64(text) }
end

-- What the setting `prepare` makes of a sound transaction.

local before, after = {}, {}

function before.other_account(prepared)
  prepared.account = accounts.stranger()
  prepared.subject = prepared.account.address
  prepared.signers = { prepared.account.signer }
end

function before.other_transaction(prepared)
  prepared.subject = accounts.stranger().address
end

function after.other_signer(prepared)
  for _, one in ipairs(prepared.payloads) do one.address = accounts.stranger().signer end
end

function after.other_provider(prepared)
  for _, one in ipairs(prepared.payloads) do one.provider = "turnkey" end
end

local function distort(stage, prepared)
  local change = stage[settings.current.prepare]
  if change then change(prepared) end
end

--- A transaction that will make `changes` to the account's policies.
---@param signers string[] addresses of signers of the account
---@return table  text, signers, payloads
function transactions.prepare(account, changes, signers)
  local prepared = { account = account, subject = account.address, changes = changes, signers = signers, payloads = {} }
  distort(before, prepared)
  prepared.text = ngx.encode_base64(solana.transaction(prepared.subject, prepared.signers))
  for _, address in ipairs(prepared.signers) do
    if is_held(prepared.account, address) then table.insert(prepared.payloads, payload_for(address, prepared.text)) end
  end
  distort(after, prepared)
  state.transactions[prepared.text] = prepared
  return prepared
end

local function refuse(status, code, message)
  return nil, { status = status, code = code, message = message }
end

--- The prepared transaction of that text, if it is one for that account.
function transactions.find(address, text)
  local prepared = state.transactions[text]
  if not prepared then return refuse(404, "transaction_not_found", "No such transaction was prepared") end
  if prepared.account.address ~= address then
    return refuse(409, "transaction_of_another_account", "The transaction was prepared for another account")
  end
  return prepared
end

--- What a signature is worth: `fine`, `expired`, `fresh`, or `wrong` when none of the
--- keys that the signer's sessions were given last has made it.
local function judge(one, signature)
  local text = assert(canonical.text(ngx.decode_base64(one.payload)))
  local owner, now = state.signers[one.address], ngx.now()
  for _, session in ipairs(owner and owner.sessions or {}) do
    local key = session.key
    if key.point and not session.revoked and p256.verifies(key.point, text, signature) then
      if now >= key.expires then return "expired" end
      return now < key.born + settings.current.key_lag and "fresh" or "fine"
    end
  end
  return "wrong"
end

local function check_signers(prepared, signatures)
  for _, address in ipairs(prepared.signers) do
    if not accounts.signer(prepared.account, address) then
      return refuse(403, "not_a_signer", address .. " is not a signer of the account")
    elseif not is_held(prepared.account, address) then
      return refuse(403, "missing_signature", "The signature of " .. address .. " is missing")
    end
  end
  if #signatures ~= #prepared.payloads then
    return refuse(400, "wrong_signature_count", "kms_payloads must have " .. #prepared.payloads .. " elements")
  end
  return true
end

--- Submits a transaction that `find` has found.
---@param signatures string[]  DER, in the order of the payloads
---@return table|nil result, table|nil failure, string|nil verdict  `{transaction_signature, confirmed_at}`, time in seconds
function transactions.submit(prepared, signatures)
  if prepared.submitted then
    return refuse(409, "transaction_already_submitted", "The transaction has been submitted before")
  end
  local fine, failure = check_signers(prepared, signatures)
  if not fine then return nil, failure end
  for i, one in ipairs(prepared.payloads) do
    local verdict = judge(one, signatures[i])
    -- A key that is too fresh is unknown to those who check: they cannot tell it from a
    -- wrong one.
    if verdict == "expired" then failure = { status = 401, code = "kms_error", message = EXPIRED }
    elseif verdict ~= "fine" then
      failure = { status = 401, code = "invalid_signature", message = "No valid authorization signature was given" }
    end
    if failure then return nil, failure, verdict end
  end
  prepared.submitted = true
  for name, value in pairs(prepared.changes) do prepared.account.policies[name] = value end
  return { transaction_signature = bytes.base58(bytes.random(64)), confirmed_at = ngx.now() }, nil, "fine"
end

return transactions
