-- POST /accounts/{address}/submit: a prepared transaction with the signatures over its
-- payloads.

local accounts = require "sandbox.accounts"
local answers = require "sandbox.answers"
local json = require "sandbox.json"
local shape = require "sandbox.shape"
local state = require "sandbox.state"
local transactions = require "sandbox.transactions"

local endpoint = {
  method = "POST",
  path = "/accounts/{address}/submit",
  survives = true,
  shape = shape.object {
    transaction = shape.base64,
    kms_payloads = shape.list(shape.object { provider = shape.literal "privy", signature = shape.base64 }),
  },
}

function endpoint.run(request)
  local account, failure = accounts.find(request.steps.address)
  local prepared = account
  if account then prepared, failure = transactions.find(account.address, request.value.transaction) end
  if not prepared then return answers.failure(failure) end

  state.count_execution("transaction", prepared.text)
  request.executed = true
  local signatures = {}
  for i, signed in ipairs(request.value.kms_payloads) do signatures[i] = ngx.decode_base64(signed.signature) end
  local result
  result, failure, request.signature = transactions.submit(prepared, signatures)
  if not result then return answers.failure(failure) end
  return answers.wrapped(json.encode {
    transaction_signature = result.transaction_signature, confirmed_at = answers.timestamp(result.confirmed_at),
  })
end

return endpoint
