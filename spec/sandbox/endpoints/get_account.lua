-- GET /accounts/{address}

local accounts = require "sandbox.accounts"
local answers = require "sandbox.answers"
local json = require "sandbox.json"

local endpoint = { method = "GET", path = "/accounts/{address}", survives = true }

function endpoint.run(request)
  local account, failure = accounts.find(request.steps.address)
  if not account then return answers.failure(failure) end
  request.executed = true
  return answers.wrapped(json.encode {
    address = account.address, grid_user_id = account.grid_user_id, email = account.email, type = "email-based",
    status = "active", policies = account.policies, created_at = answers.timestamp(account.created_at),
  })
end

return endpoint
