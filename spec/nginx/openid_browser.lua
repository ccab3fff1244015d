-- A client for specs of the gateway of spec/examples/openid: it keeps the cookies of the
-- gateway, and follows no redirect by itself.
-- Does not know: what a gateway should answer.

local http = require "socket.http"
local ltn12 = require "ltn12"

local openid_browser = {}

local LOG_IN = "^__Host%-log_in%-"

local Browser = {}
Browser.__index = Browser

--- A browser without cookies.
function openid_browser.new() return setmetatable({ cookies = {} }, Browser) end

--- The value of the header Cookie | nil: no cookies
function Browser:header()
  local parts = {}
  for name, value in pairs(self.cookies) do parts[#parts + 1] = name .. "=" .. value end
  table.sort(parts)
  return parts[1] and table.concat(parts, "; ")
end

--- Keeps the cookies of a header Set-Cookie, and removes those without a value.
function Browser:keep(set)
  for name, value, attributes in (set or ""):gmatch "(__Host%-[%w_-]+)=([%w_.-]*)(;[^,]*)" do
    self.cookies[name] = value ~= "" and value or nil
    self.attributes = attributes
  end
end

--- The cookie of a log-in that has not come back. -> name, value
function Browser:log_in()
  for name, value in pairs(self.cookies) do
    if name:find(LOG_IN) then return name, value end
  end
end

--- -> status, body, headers
function Browser:ask(url, method, headers)
  local all, parts = { accept = "text/html", cookie = self:header() }, {}
  for name, value in pairs(headers or {}) do all[name] = value end
  local _, status, got = http.request {
    url = url, method = method or "GET", headers = all, redirect = false, sink = ltn12.sink.table(parts),
  }
  if type(got) == "table" then self:keep(got["set-cookie"]) end
  return status, table.concat(parts), got or {}
end

return openid_browser
