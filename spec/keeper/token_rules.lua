-- What a token endpoint for specs makes of a request: text in, text out. A refresh token
-- is "NAME-COUNT"; each name is a session, whose count goes up with each refresh. A token
-- that was spent is refused, and a key that was used before gets the same answer.
-- Does not know: connections.

local rules = {}

function rules.new()
  return { executions = 0, replays = 0, reuses = 0, expires_in = 3600, current = {}, by_key = {} }
end

function rules.response(status, body, headers)
  return ("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s"):format(status, headers or "", #body, body)
end

local function form_of(request)
  local form = {}
  for name, value in request:match "\r\n\r\n(.*)$":gmatch "([^&=]+)=([^&]*)" do
    form[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  end
  return form
end

local function header_of(request, name)
  return request:lower():match("\r\n" .. name:gsub("%-", "%%-") .. ": ([^\r]*)")
end

--- Executes a refresh. -> the bytes of the answer
function rules.execute(self, request)
  local form, key = form_of(request), header_of(request, "idempotency-key")
  if key and self.by_key[key] then
    self.replays = self.replays + 1
    return self.by_key[key]
  end
  local name, count = (form.refresh_token or ""):match "^(.*)%-(%d+)$"
  if not name or tonumber(count) ~= (self.current[name] or 0) then
    self.reuses = self.reuses + 1
    return rules.response(400, '{"error":"invalid_grant"}')
  end
  self.executions = self.executions + 1
  self.current[name] = count + 1
  local body = '{"access_token":"access-%d","refresh_token":"%s-%d","expires_in":%d,"token_type":"Bearer","account":"a%d"}'
  local answer = rules.response(200, body:format(count + 1, name, count + 1, self.expires_in, count + 1))
  if key then self.by_key[key] = answer end
  return answer
end

function rules.stats(self)
  return rules.response(200, ("executions=%d replays=%d reuses=%d"):format(self.executions, self.replays, self.reuses))
end

return rules
