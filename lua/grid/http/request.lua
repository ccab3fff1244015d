-- Makes the request of http:send, to any service.
-- Owns: its fields, and the judgement of its answer.
-- Does not know: attempts and waits.

local answers = require "grid.http.answer"
local argument = require "grid.argument"
local ascii = require "grid.ascii"
local header_fields = require "grid.http.header_fields"
local options = require "grid.http.options"
local schema = require "grid.schema"

local request = {}

local METHODS = schema.one_of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

---@class (exact) grid.HttpRequest
---@field method string
---@field url string absolute, or a path that begins with "/" and is appended to base_url
---@field headers? table<string, string> name to value; values are sent unchanged
---@field body? string sent byte for byte
---@field idempotent? boolean the request may be repeated after an unknown outcome; default: true for GET, HEAD and OPTIONS
local REQUEST = {
  method = { type = "string", required = true, check = METHODS },
  url = { type = "string", required = true, check = schema.not_empty },
  headers = { type = "table" },
  body = { type = "string" },
  idempotent = { type = "boolean" },
}

-- -> the absolute URL, its path. The last URL that was accepted is not checked again.
local function locate(http, what, given)
  local last = http.located
  if given == last.given then return last.url, last.path end
  local url = given
  if url:sub(1, 1) == "/" then
    if not http.options.base_url then argument.raise("%s: 'url' must be absolute: there is no base_url", what) end
    url = http.options.base_url:gsub("/+$", "") .. url
  end
  local expected = options.check_url(url)
  if expected then argument.raise("%s: 'url' must be %s", what, expected) end
  http.located = { given = given, url = url, path = url:match "^%a+://[^/?]*(.*)$" }
  return url, http.located.path
end

local AGENT = "user-agent"

local function lines_of(http, headers)
  local lines, has_agent = {}, false
  for name, value in pairs(headers) do
    lines[#lines + 1] = name .. ": " .. value
    has_agent = has_agent or #name == #AGENT and ascii.lower(name) == AGENT
  end
  if not has_agent then lines[#lines + 1] = "User-Agent: " .. http.options.user_agent end
  return lines
end

-- A complete answer is a result, independent of its status.
local function judge(answer)
  if answer.kind then return nil, answers.error(answer) end
  return {
    status = answer.status, headers = answer.headers, cookies = answer.cookies, body = answers.text(answer.content),
    seconds = answer.seconds, attempts = answer.attempts, retry_after = answer.retry_after,
  }
end

--- The request of http:send. Raises for misuse.
---@param http grid.Http
---@param what string
---@param requested grid.HttpRequest
---@param given grid.HttpCallOptions
---@return grid.http.Request
function request.compose(http, what, requested, given)
  schema.check(what, REQUEST, requested, "request")
  schema.check(what, options.call, given)
  local headers = requested.headers or {}
  header_fields.check(what, headers)
  local url, path = locate(http, what, requested.url)
  return {
    method = requested.method, url = url, path = path, headers = lines_of(http, headers),
    body = requested.body, idempotent = requested.idempotent, judge = judge,
    timeout = given.timeout, retries = given.retries, detached = given.detached,
  }
end

return request
