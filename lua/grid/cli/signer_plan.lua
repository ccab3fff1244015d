-- The plan of grid move-signer: who signs for an account now, and who is to.
-- Owns: the reading of an account's policies, the new list, and the sentences that refuse a plan. Sends nothing.

local json = require "grid.json"
local members = require "grid.cli.members"
local schema = require "grid.schema"

local signer_plan = {}

--- The wallets of a kms_payload, as two sets: addresses and ids.
function signer_plan.wallets(kms_payload)
  local list = json.slice(kms_payload, "session", "Privy", "session", "wallets")
  list = list and json.decode(list)
  return members.set(list, "address"), members.set(list, "id")
end

local function held_signers(signers, wallets)
  local held = {}
  for _, signer in ipairs(signers) do
    if wallets[signer.address] then held[#held + 1] = signer.address end
  end
  return held
end

-- `from` is replaced where it stands, with its role and permissions. Its provider stays behind: nobody holds the new key for us.
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

local function choose_from(plan, wanted)
  if #plan.held == 0 then return "no wallet of this session is a signer of the account" end
  if wanted then
    for _, address in ipairs(plan.held) do
      if address == wanted then return nil, wanted end
    end
    return ("%s is not a signer of the account that this session holds"):format(wanted)
  end
  if #plan.held > 1 then return "several signers of the account are in this session: choose one with --from" end
  return nil, plan.held[1]
end

--- What is wrong with a list of signers, for whoever is to see it before it is signed | nothing
function signer_plan.check_signers(list)
  if type(list) ~= "table" or #list == 0 then return "there is no array of signers" end
  for i, signer in ipairs(list) do
    if type(members.at(signer, "address")) ~= "string" then return ("signer %d has no address"):format(i) end
    local permissions = members.at(signer, "permissions")
    for _, permission in ipairs(type(permissions) == "table" and permissions or {}) do
      if type(permission) ~= "string" then return ("signer %d has a permission that is no text"):format(i) end
    end
  end
end

--- What is wrong with the data of get_account | nothing
function signer_plan.check_account(account)
  local problem = signer_plan.check_signers(members.at(account, "policies", "signers"))
  if problem then return "the service does not say who signs for the account: " .. problem end
  local threshold = members.at(account, "policies", "threshold")
  if threshold ~= nil and (type(threshold) ~= "number" or schema.count(threshold)) then
    return "the service does not say how many sign for the account: the threshold is no whole number"
  end
end

--- account: the data of get_account, checked; wallets: a set of addresses; wanted: { to, from, signers }
--- -> { before, after, held, from, threshold, admin_address } | nil, sentence
function signer_plan.new(account, wallets, wanted)
  local policies = account.policies
  local plan = {
    before = policies.signers, held = held_signers(policies.signers, wallets), threshold = members.at(policies, "threshold") or 1,
    admin_address = type(policies.admin_address) == "string" and policies.admin_address or nil,
  }
  local problem
  problem, plan.from = choose_from(plan, wanted.from)
  if problem then return nil, problem end
  if plan.threshold > #plan.held and plan.admin_address ~= plan.from then
    return nil, ("the account needs %d signatures, and this session holds %d of its signers"):format(plan.threshold, #plan.held)
  end
  if wanted.to and members.set(plan.before, "address")[wanted.to] then
    return nil, wanted.to .. " is a signer of the account already: give the whole list with --signers"
  end
  plan.after = wanted.signers or replaced(plan.before, plan.from, wanted.to)
  return plan
end

--- What client:update_account takes: the changes, and whether the admin makes them.
function signer_plan.changes(plan, to)
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
  if type(signer.permissions) == "table" then words[#words + 1] = table.concat(signer.permissions, " ") end
  return table.concat(words, ", ")
end

--- The plan as rows for people: - goes, + comes.
function signer_plan.rows(plan, address)
  local rows, before, after = { { "account", address } }, members.set(plan.before, "address"), members.set(plan.after, "address")
  for _, signer in ipairs(plan.before) do
    rows[#rows + 1] = { after[signer.address] and "  stays" or "- goes", signer_line(signer) }
  end
  for _, signer in ipairs(plan.after) do
    if not before[signer.address] then rows[#rows + 1] = { "+ comes", signer_line(signer) } end
  end
  rows[#rows + 1] = { "threshold", tostring(plan.threshold) }
  if plan.admin_address then rows[#rows + 1] = { "admin", plan.admin_address } end
  return rows
end

return signer_plan
