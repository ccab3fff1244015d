-- Builds the account operations of Grid's API, and signs prepared transactions.
-- Owns: paths, fields and bodies of /accounts; which payloads a key may sign.
-- Does not know: connections, attempts and hosts.

local core = require "grid.core"
local endpoint = require "grid.api.endpoint"
local errors = require "grid.errors"
local display = require "grid.display"
local json = require "grid.json"
local keys = require "grid.keys"
local argument = require "grid.argument"
local operations = require "grid.api.operation"
local schema = require "grid.schema"

local accounts = {}

local function path_of(what, address)
  return "/accounts/" .. endpoint.path_part(what, "address", address)
end

--- GET /accounts/{address}
function accounts.get(what, address)
  return operations.new { method = "GET", path = path_of(what, address), check = operations.check_object }
end

---@class (exact) grid.AccountChanges
---@field signers? table[]
---@field threshold? integer
---@field time_lock? integer seconds
---@field admin_address? string
---@field transaction_signers? string[]
local CHANGES = {
  signers = { type = "table" },
  threshold = { type = "number", check = schema.whole },
  time_lock = { type = "number", check = schema.whole },
  admin_address = { type = "string", check = schema.not_empty },
  transaction_signers = { type = "table" },
}

local LISTS = { "signers", "transaction_signers" }

-- The list, or a JSON array for one that is empty: the caller's tables are not changed. A
-- view of another list is not empty, and is refused by json.encode.
local function as_list(list)
  return next(list) == nil and list[1] == nil and json.array() or list
end

-- A copy with JSON arrays.
local function with_lists(changes)
  local fields = {}
  for name in pairs(CHANGES) do fields[name] = changes[name] end
  for _, name in ipairs(LISTS) do fields[name] = fields[name] and as_list(fields[name]) end
  return fields
end

local function check_prepared(prepared)
  if type(prepared) ~= "table" then return "there is no prepared transaction" end
  if type(prepared.transaction) ~= "string" then return "the prepared transaction has no member 'transaction'" end
  if type(prepared.kms_payloads) ~= "table" then return "the prepared transaction has no member 'kms_payloads'" end
  for i, payload in ipairs(prepared.kms_payloads) do
    if type(payload) ~= "table" or type(payload.payload) ~= "string" then
      return ("kms_payloads[%d] has no payload"):format(i)
    end
  end
end

--- PATCH /accounts/{address}: prepares a transaction that changes the account.
function accounts.update(what, address, changes, admin)
  local path = path_of(what, address)
  schema.check(what, CHANGES, changes, "changes")
  local fields = with_lists(changes)
  if next(fields) == nil then argument.raise("%s: 'changes' is empty: give a field, such as signers or threshold", what) end
  return operations.new {
    method = "PATCH", path = path .. (admin and "?admin=true" or ""), fields = fields, check = check_prepared,
  }
end

local function refuse(kind, code, format, ...)
  return nil, errors.new { kind = kind, code = code, message = display.one_line(format:format(...)) }
end

local function present(value)
  if value ~= json.null then return value end
end

local function signer_of(address)
  return address == nil and "a signer" or "signer " .. tostring(address)
end

local function sign_one(payload, auth)
  local address, provider = present(payload.address), present(payload.provider)
  if provider ~= nil and provider ~= "privy" then
    return refuse("crypto", "unknown_signer", "%s belongs to provider %s, whose keys this session does not hold",
      signer_of(address), tostring(provider))
  end
  if auth.signers and address ~= nil and not auth.signers[address] then
    return refuse("crypto", "unknown_signer", "%s is not one of this session's", signer_of(address))
  end
  local signature, err = auth:sign(payload.payload)
  if not signature then return nil, err end
  return { provider = "privy", signature = signature }
end

--- Signs each payload of a prepared transaction. -> the argument of `submit` | nil, error
function accounts.sign(what, prepared, auth)
  keys.check(what, auth, keys.AuthorizationKey)
  if type(prepared) ~= "table" then argument.raise_type(prepared, "%s: a prepared transaction is expected", what) end
  local problem = check_prepared(prepared)
  if problem then return refuse("request", "bad_transaction", "%s", problem) end
  if #prepared.kms_payloads == 0 then return refuse("request", "nothing_to_sign", "the transaction has no payload to sign") end
  local signed = { transaction = prepared.transaction, kms_payloads = json.array() }
  for i, payload in ipairs(prepared.kms_payloads) do
    local signature, err = sign_one(payload, auth)
    if not signature then return nil, err end
    signed.kms_payloads[i] = signature
  end
  return signed
end

local SIGNED = {
  transaction = { type = "string", required = true, check = schema.not_empty },
  kms_payloads = { type = "table", required = true },
}

local function check_submitted(data)
  if type(data) ~= "table" or type(data.transaction_signature) ~= "string" then
    return "the answer has no transaction_signature"
  end
end

--- POST /accounts/{address}/submit. `again`: see grid.Operation.
function accounts.submit(what, address, signed, again)
  local path = path_of(what, address)
  schema.check(what, SIGNED, signed, "signed transaction")
  return operations.new {
    method = "POST", path = path .. "/submit", check = check_submitted, again = again,
    fields = { transaction = signed.transaction, kms_payloads = as_list(signed.kms_payloads) },
  }
end

-- The service may refuse a new key for about a second, until its caches are updated
-- (Privy's documentation).
local FRESH_SECONDS, RETRY_DELAY = 2, 1

local function is_key_refused(err)
  return err.kind == "auth" or err.sent == "yes" and err.kind == "api" and err.message:find("session key", 1, true) ~= nil
end

--- Submits. If the key is refused and was opened less than FRESH_SECONDS ago, the same
--- bytes are submitted once more.
function accounts.submit_fresh(what, address, signed, auth)
  local has_retried = false
  return accounts.submit(what, address, signed, function(refusal)
    if has_retried or not is_key_refused(refusal) or core.now() - auth.opened_at > FRESH_SECONDS then return nil end
    has_retried = true
    return RETRY_DELAY
  end)
end

return accounts
