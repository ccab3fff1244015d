-- POST /auth: begins a log-in by one-time password. Answered unwrapped, as documented.

local answers = require "sandbox.answers"
local json = require "sandbox.json"
local otp = require "sandbox.otp"
local shape = require "sandbox.shape"

local endpoint = {
  method = "POST",
  path = "/auth",
  survives = true,
  shape = shape.object({ email = shape.email }, { provider = shape.literal "privy" }),
}

function endpoint.run(request)
  request.executed = true
  local pending = otp.issue(request.value.email)
  return answers.success(json.encode {
    type = "email-based", email = pending.email, status = "pending", provider = "privy",
    otp_sent = true, otp_id = pending.otp_id,
    created_at = answers.timestamp(pending.created_at), expires_at = answers.timestamp(pending.expires_at),
  })
end

return endpoint
