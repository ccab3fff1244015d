-- POST /auth/verify: ends a log-in and gives out a session. Answered unwrapped, as
-- documented; the cookies of the cookie flow come along, since a browser would get its
-- first ones here.

local accounts = require "sandbox.accounts"
local answers = require "sandbox.answers"
local cookies = require "sandbox.cookies"
local json = require "sandbox.json"
local otp = require "sandbox.otp"
local session = require "sandbox.session"
local shape = require "sandbox.shape"

local endpoint = {
  method = "POST",
  path = "/auth/verify",
  survives = true,
  shape = shape.object {
    email = shape.email,
    otp_code = shape.matching("^%d%d%d%d%d%d$", "six digits"),
    kms_provider = shape.literal "privy",
    kms_provider_config = shape.object({ encryption_public_key = shape.public_key }, { otp_id = shape.text }),
  },
}

function endpoint.run(request)
  local value = request.value
  request.executed = true
  local fine, failure = otp.redeem(value.email, value.otp_code, value.kms_provider_config.otp_id)
  if not fine then return answers.failure(failure) end

  local account = accounts.of_email(value.email)
  local owner, payload = session.create(account, value.kms_provider_config.encryption_public_key)
  local answer = answers.success(json.encode {
    address = account.address,
    authentication = json.array { json.raw(payload) },
    grid_user_id = account.grid_user_id,
    policies = account.policies,
  })
  cookies.set(answer, owner.newest)
  return answer
end

return endpoint
