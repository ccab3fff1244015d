-- One-time passwords: six random digits per email address, three tries, fifteen minutes.
-- Nothing is mailed; the control address shows them.
-- Does not know: accounts, sessions.

local bytes = require "sandbox.bytes"
local ffi = require "ffi"
local state = require "sandbox.state"

local otp = {}

local LIFETIME, TRIES = 15 * 60, 3

function otp.issue(email)
  local number = ffi.new "uint32_t[1]"
  ffi.copy(number, bytes.random(4), 4)
  local now = ngx.now()
  local pending = {
    otp_code = string.format("%06d", number[0] % 1000000), otp_id = bytes.uuid(), email = email,
    tries_left = TRIES, created_at = now, expires_at = now + LIFETIME,
  }
  state.otps[email] = pending
  return pending
end

local function refuse(code, message)
  return nil, { status = 401, code = code, message = message }
end

--- Takes a code: a right one is spent by it.
---@param otp_id string|nil
function otp.redeem(email, code, otp_id)
  local pending = state.otps[email]
  if not pending then return refuse("otp_not_found", "No log-in is pending for this email") end
  if ngx.now() > pending.expires_at then return refuse("otp_expired", "The one-time password has expired") end
  if pending.tries_left == 0 then return refuse("otp_attempts_exceeded", "Too many attempts") end
  if pending.otp_code ~= code or (otp_id and otp_id ~= pending.otp_id) then
    pending.tries_left = pending.tries_left - 1
    return refuse("invalid_otp", "Invalid one-time password")
  end
  state.otps[email] = nil
  return true
end

return otp
