-- The plan of grid move-signer: the signers of an account now, and after the change.
-- Owns: the checks of an account's policies, the new list, and the sentences that refuse
-- a plan.
-- Does not know: calls, transactions.

local json = require "grid.json"
local schema = require "grid.schema"

local plans = {}

local at = json.at

-- The addresses of a list of signers, as a set.
local function addresses_of(signers)
  local set = {}
  for _, signer in ipairs(signers) do set[signer.address] = true end
  return set
end

local function held_signers(signers, wallets)
  local held = {}
  for _, signer in ipairs(signers) do
    if wallets[signer.address] then held[#held + 1] = signer.address end
  end
  return held
end

-- `to` takes the place of `from`, with its role and permissions. It has no provider,
-- since no provider holds the new key.
local function replaced(signers, from, to)
  local list = json.array()
  for i, signer in ipairs(signers) do
    if signer.address ~= from then
      list[i] = signer
    else
      list[i] = { address = to, role = signer.role, permissions = signer.permissions }
    end
  end
  return list
end

-- -> nil, the signer to replace | sentence
local function choose_from(plan, wanted)
  if #plan.held == 0 then return "no wallet of this session is a signer of the account" end
  if wanted then
    for _, address in ipairs(plan.held) do
      if address == wanted then return nil, wanted end
    end
    return ("%s is not a signer of the account whose key this session holds"):format(wanted)
  end
  if #plan.held > 1 then
    return "this session holds the keys of several signers of the account: choose one with --from"
  end
  return nil, plan.held[1]
end

--- The fault of a list of signers | nil. The list is shown before the transaction is
--- signed, so each part that is shown must be text.
function plans.check_signers(list)
  if type(list) ~= "table" or #list == 0 then return "there is no array of signers" end
  for i, signer in ipairs(list) do
    if type(at(signer, "address")) ~= "string" then
      return ("signer %d has no address"):format(i)
    end
    local permissions = at(signer, "permissions")
    for _, permission in ipairs(type(permissions) == "table" and permissions or {}) do
      if type(permission) ~= "string" then
        return ("signer %d has a permission that is not text"):format(i)
      end
    end
  end
end

--- The fault in the data of get_account | nil
function plans.check_account(account)
  local problem = plans.check_signers(at(account, "policies", "signers"))
  if problem then return "the answer does not have the signers of the account: " .. problem end
  local threshold = at(account, "policies", "threshold")
  if threshold ~= nil and (type(threshold) ~= "number" or schema.count(threshold)) then
    return "the answer does not say how many signers must sign: the threshold is not a whole number"
  end
end

--- A plan | nil, sentence.
---@param account table the data of get_account, checked
---@param wallets table<string, true> the addresses that the session can sign for
---@param wanted { to: string?, from: string?, signers: table? }
---@return { before: table, after: table, held: string[], from: string, threshold: integer, admin_address: string? }?, string?
function plans.new(account, wallets, wanted)
  local policies = account.policies
  local plan = {
    before = policies.signers,
    held = held_signers(policies.signers, wallets),
    threshold = at(policies, "threshold") or 1,
    admin_address = type(policies.admin_address) == "string" and policies.admin_address or nil,
  }
  local problem
  problem, plan.from = choose_from(plan, wanted.from)
  if problem then return nil, problem end
  if plan.threshold > #plan.held and plan.admin_address ~= plan.from then
    return nil, ("the account needs %d signatures, and this session holds %d of its signers"):format(
      plan.threshold, #plan.held)
  end
  if wanted.to and addresses_of(plan.before)[wanted.to] then
    return nil, wanted.to .. " is a signer of the account already: give the whole list with --signers"
  end
  plan.after = wanted.signers or replaced(plan.before, plan.from, wanted.to)
  return plan
end

--- The arguments of client:update_account: the changes, and whether the admin makes them.
function plans.changes(plan, to)
  if plan.admin_address ~= plan.from then
    return { signers = plan.after, transaction_signers = plan.held }, false
  end
  return { signers = plan.after, transaction_signers = { plan.from }, admin_address = to }, true
end

local function signer_line(signer)
  local words = { signer.address }
  for _, name in ipairs { "role", "provider" } do
    if type(signer[name]) == "string" then words[#words + 1] = signer[name] end
  end
  if type(signer.permissions) == "table" then
    words[#words + 1] = table.concat(signer.permissions, " ")
  end
  return table.concat(words, ", ")
end

--- The plan as rows for people.
function plans.rows(plan, address)
  local rows = { { "account", address } }
  local before, after = addresses_of(plan.before), addresses_of(plan.after)
  for _, signer in ipairs(plan.before) do
    rows[#rows + 1] = { after[signer.address] and "  unchanged" or "- removed", signer_line(signer) }
  end
  for _, signer in ipairs(plan.after) do
    if not before[signer.address] then rows[#rows + 1] = { "+ added", signer_line(signer) } end
  end
  rows[#rows + 1] = { "threshold", tostring(plan.threshold) }
  if plan.admin_address then rows[#rows + 1] = { "admin", plan.admin_address } end
  return rows
end

return plans
