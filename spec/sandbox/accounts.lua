-- Accounts: an address, the policies that say who may sign for it, and the user behind it
-- with the one wallet that the user's sessions hold. An email address leads to the same
-- account at every log-in.
-- Does not know: tokens, HTTP.

local bytes = require "sandbox.bytes"
local json = require "sandbox.json"
local state = require "sandbox.state"

local accounts = {}

accounts.PERMISSIONS = { "CAN_INITIATE", "CAN_VOTE", "CAN_EXECUTE" }

local function new_address()
  return bytes.base58(bytes.random(32))
end

-- The JSON text that payloads carry.
local function wallets_text(account)
  return '[{"id":"' .. account.wallet_id .. '","address":"' .. account.signer
    .. '","chain_type":"solana","created_at":' .. string.format("%.0f", math.floor(account.created_at) * 1000)
    .. ',"policy_ids":[],"additional_signers":[],"owner_id":"' .. bytes.random_text(18)
    .. '","public_key":null,"exported_at":null,"imported_at":null}]'
end

--- An account that no request can name.
function accounts.stranger()
  local account = {
    address = new_address(), email = "stranger@example.com", grid_user_id = bytes.uuid(), created_at = ngx.now(),
    user_id = "did:privy:" .. bytes.random_text(18),
    signer = new_address(), wallet_id = bytes.random_text(18), -- the wallet
    sessions = {}, -- newest first
  }
  account.wallets = wallets_text(account)
  account.policies = {
    signers = json.array {
      { address = account.signer, role = "primary", provider = "privy", permissions = json.array(accounts.PERMISSIONS) },
    },
    threshold = 1, admin_address = json.null, time_lock = json.null,
  }
  return account
end

--- A new account, and the one of `email` from now on.
function accounts.new(email)
  local account = accounts.stranger()
  account.email = email
  state.accounts[account.address] = account
  state.emails[email] = account
  state.signers[account.signer] = account
  return account
end

function accounts.of_email(email)
  return state.emails[email] or accounts.new(email)
end

--- The entry of `address` among the signers in an account's policies, or nil.
function accounts.signer(account, address)
  for _, signer in ipairs(account.policies.signers) do
    if signer.address == address then return signer end
  end
end

---@return table|nil account, table|nil failure
function accounts.find(address)
  local account = state.accounts[address]
  if account then return account end
  return nil, { status = 404, code = "account_not_found", message = "No such account" }
end

return accounts
