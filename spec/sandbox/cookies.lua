-- The cookie flow's cookies. Grid's names for them are not known; here `grid_session`
-- carries the refresh token, and `grid_user` is there so that clients meet more than one
-- Set-Cookie line.
-- Does not know: tokens.

local cookies = {}

function cookies.session(request)
  local value = request.headers.cookie
  return type(value) == "string" and ("; " .. value):match "; grid_session=([^;]*)" or nil
end

---@param record table the refresh token's record, see session.lua
function cookies.set(answer, record)
  answer.headers["Set-Cookie"] = {
    "grid_session=" .. record.refresh_token .. "; Path=/; HttpOnly; Secure; SameSite=Strict",
    "grid_user=" .. record.session.account.user_id .. "; Path=/; Secure",
  }
end

return cookies
