-- PATCH /accounts/{address}: prepares a transaction that changes the account's policies.
-- Nothing changes before it is signed and submitted.

local accounts = require "sandbox.accounts"
local answers = require "sandbox.answers"
local json = require "sandbox.json"
local shape = require "sandbox.shape"
local transactions = require "sandbox.transactions"

local MANY = 20 -- signers; a transaction has room for few more

local signer = shape.object({
  address = shape.address, permissions = shape.list(shape.one_of(unpack(accounts.PERMISSIONS)), 1),
}, { role = shape.one_of("primary", "backup"), provider = shape.text })

local CHANGES = {
  signers = shape.list(signer, 1),
  threshold = shape.integer_from(1, MANY),
  time_lock = shape.or_null(shape.integer_from(0)),
  admin_address = shape.or_null(shape.address),
}

local BODY = { transaction_signers = shape.list(shape.address, 1) }
for name, member in pairs(CHANGES) do BODY[name] = member end

local endpoint = {
  method = "PATCH",
  path = "/accounts/{address}",
  survives = true,
  query = shape.object({}, { admin = shape.one_of("true", "false") }),
  shape = shape.object({}, BODY),
}

local function problem(field, code, message)
  return { field = field, code = code, message = field .. " " .. message }
end

local function doubled(list, address_of)
  local seen = {}
  for _, element in ipairs(list) do
    local address = address_of(element)
    if seen[address] then return true end
    seen[address] = true
  end
  return #list > MANY
end

local function voters(signers)
  local count = 0
  for _, one in ipairs(signers) do
    for _, permission in ipairs(one.permissions) do
      if permission == "CAN_VOTE" then count = count + 1 end
    end
  end
  return count
end

-- The policies that would come out.
local function check_changes(account, changes)
  if next(changes) == nil then return problem("body", "nothing_to_change", "changes nothing") end
  local signers = changes.signers or account.policies.signers
  if doubled(signers, function(one) return one.address end) then
    return problem("signers", "invalid_value", "names an address twice, or too many")
  end
  if (changes.threshold or account.policies.threshold) > voters(signers) then
    return problem("threshold", "invalid_value", "is more than the signers that may vote")
  end
end

local function check_signers(account, addresses)
  if doubled(addresses, function(address) return address end) then
    return problem("transaction_signers", "invalid_value", "names an address twice, or too many")
  end
  for _, address in ipairs(addresses) do
    if not accounts.signer(account, address) then
      return problem("transaction_signers", "unknown_signer", "names " .. address .. ", which is no signer of the account")
    end
  end
  if #addresses < account.policies.threshold then
    return problem("transaction_signers", "too_short", "are fewer than the threshold")
  end
end

-- Without transaction_signers all are to sign.
local function all_signers(account)
  local list = {}
  for i, one in ipairs(account.policies.signers) do list[i] = one.address end
  return list
end

function endpoint.run(request)
  local account, failure = accounts.find(request.steps.address)
  if not account then return answers.failure(failure) end
  local changes, signers = {}, request.value.transaction_signers or all_signers(account)
  for name in pairs(CHANGES) do changes[name] = request.value[name] end
  local found = check_changes(account, changes) or check_signers(account, signers)
  if found then return answers.invalid { found } end

  request.executed = true
  local prepared = transactions.prepare(account, changes, signers)
  return answers.wrapped(json.encode {
    transaction = prepared.text, transaction_signers = json.array(prepared.signers),
    kms_payloads = json.array(prepared.payloads),
  })
end

return endpoint
