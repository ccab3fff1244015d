-- POST /auth/refresh-session, the body flow and the cookie flow.

local answers = require "sandbox.answers"
local cookies = require "sandbox.cookies"
local json = require "sandbox.json"
local session = require "sandbox.session"
local settings = require "sandbox.settings"
local shape = require "sandbox.shape"
local state = require "sandbox.state"

-- The payload is looked at later: one that comes back byte for byte needs no look at all.
local function anything() end

local endpoint = {
  method = "POST",
  path = "/auth/refresh-session",
  shape = shape.object({ encryption_public_key = shape.public_key }, { kms_payload = anything }),
}

local function failed(failure)
  return nil, answers.failure(failure)
end

local function altered(how)
  return failed { status = 400, code = "payload_" .. how, message = "kms_payload is not as it was issued",
    details = { { field = "kms_payload", code = "payload_" .. how, message = "kms_payload is not as it was issued" } } }
end

local ACCEPTED = {
  shape = { exact = true, equal = true, altered = true, unknown = true },
  equal = { exact = true, equal = true, unknown = true },
  exact = { exact = true },
}

local function present_payload(request, payload)
  local span = request.spans.kms_payload
  local text = request.body:sub(span[1], span[2])
  if not session.issued_last(text, payload) then
    local problems = {}
    shape.kms_payload(payload, "kms_payload", problems)
    if problems[1] then return nil, answers.invalid(problems) end
  end
  local presented, failure = session.from_payload(payload)
  if not presented then return failed(failure) end
  request.payload = session.compare(presented.record, text, payload)
  if not ACCEPTED[settings.current.payload_check][request.payload] then return altered(request.payload) end
  return presented
end

local function present_cookie(request)
  local cookie = cookies.session(request)
  if not cookie then
    return nil, answers.invalid { { field = "kms_payload", code = "required", message = "kms_payload is missing" } }
  end
  local presented, failure = session.from_cookie(cookie)
  if not presented then return failed(failure) end
  request.payload = "cookie"
  return presented
end

function endpoint.run(request)
  local payload = request.value.kms_payload
  local by_cookie = payload == nil or payload == json.null
  local present = by_cookie and present_cookie or present_payload
  local presented, refusal = present(request, payload)
  if not presented then return refusal end

  state.count_execution("refresh_token", presented.refresh_token)
  request.executed = true
  local text, result = session.refresh(presented, request.value.encryption_public_key)
  if not text then return answers.failure(result) end
  local answer = answers.wrapped('{"kms_payload":' .. text .. "}")
  if by_cookie then cookies.set(answer, result) end
  return answer
end

return endpoint
