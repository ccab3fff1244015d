-- Computes the life of a session, and the skew between the server's clock and this one.
-- Pure.
-- Owns: the order in which `expires_in`, `expires_at`, the previous life and the `exp` of
-- a JWT are used.
-- Does not know: windows and states, which are in timing.lua; records; exchanges.

local core = require "grid.core"
local jwt = require "grid.jwt"

local lifetime = {}

local DEFAULT = 3600 -- seconds
lifetime.LONGEST = 10 * 366 * 86400 -- a longer life means "never", or is an error

-- Comparisons with NaN are false.
local function is_life(value)
  return type(value) == "number" and value > 0 and value <= lifetime.LONGEST
end

--- Seconds that the session of an answer lives, counted from the moment of sending.
---@param answer table `expires_in`, `expires_at`, `access_token`, as the server gave them
---@param sent_wall number seconds since 1970 on the clock of this machine
---@param skew number seconds that the server's clock is ahead
---@param previous_life? number
---@return number
function lifetime.of(answer, sent_wall, skew, previous_life)
  if is_life(answer.expires_in) then return answer.expires_in end
  local server_now = sent_wall + skew
  if type(answer.expires_at) == "number" and is_life(answer.expires_at - server_now) then
    return answer.expires_at - server_now
  end
  if is_life(previous_life) then return previous_life end
  local exp = jwt.expiry(answer.access_token)
  if exp and is_life(exp - server_now) then return exp - server_now end
  return DEFAULT
end

--- The same for the tokens of a log-in, which may be old ones: their `expires_in` began
--- before, so that they end at their `expires_at` or `exp` at the latest; 0: they have
--- ended.
function lifetime.of_login(tokens, now)
  local life = lifetime.of(tokens, now, 0)
  for _, ends in ipairs { tonumber(tokens.expires_at) or 0, jwt.expiry(tokens.access_token) } do
    if ends > 0 then life = math.max(0, math.min(life, ends - now)) end
  end
  return life
end

--- Seconds that the clock of the server is ahead of this one. `date` is cut to whole
--- seconds and was written between sending and receiving: a difference within these
--- bounds is no skew.
---@param date? string the header `Date`
---@param sent_wall number
---@param received_wall number
---@return number
function lifetime.skew(date, sent_wall, received_wall)
  local server = date and core.http_date(date)
  if not server then return 0 end
  local least, most = server - received_wall, server + 1 - sent_wall
  if least <= 0 and most >= 0 then return 0 end
  return (least + most) / 2
end

return lifetime
