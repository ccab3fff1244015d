-- Ways to spoil an answer: each takes a sound answer and the fault, and changes the
-- answer in place. How the answer then goes out (whole, cut off, slowly, not at all) is
-- deliver.lua's.
-- Does not know: how an answer is sent.

local answers = require "sandbox.answers"

local spoil = {}

local CODES = {
  [400] = "validation_error", [401] = "unauthorized", [403] = "forbidden", [404] = "not_found", [409] = "conflict",
  [410] = "gone", [429] = "rate_limited",
  [500] = "internal_error", [502] = "bad_gateway", [503] = "service_unavailable",
}

-- Puts a first member into the outermost object.
local function insert(answer, member)
  answer.body = "{" .. member .. "," .. answer.body:sub(2)
end

local function replace(answer, status, content_type, body)
  answer.status, answer.content_type, answer.body = status, content_type, body
end

local HTML = "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"

function spoil.html(answer, fault)
  replace(answer, fault.status or 200, "text/html", HTML)
end

function spoil.empty(answer, fault)
  replace(answer, fault.status or 200, answer.content_type, "")
end

function spoil.body(answer, fault)
  replace(answer, fault.status or 200, fault.content_type or answer.content_type, fault.body)
end

function spoil.huge(answer, fault)
  insert(answer, '"padding":"' .. ("x"):rep(fault.bytes) .. '"')
end

function spoil.deep(answer, fault)
  insert(answer, '"deep":' .. ("["):rep(fault.depth) .. ("]"):rep(fault.depth))
end

function spoil.non_utf8(answer)
  insert(answer, '"text":"\255\254\192\175"')
end

function spoil.trailing(answer)
  answer.body = answer.body .. '\n{"more":true}'
end

function spoil.missing_payload(answer)
  answer.body = '{"data":{},"metadata":{"request_id":"' .. answer.request_id .. '"}}'
end

-- The tokens stay readable: what a client is to rescue is still there.
function spoil.wrong_types(answer)
  answer.body = answer.body:gsub('"expires_at":%d+', '"expires_at":"soon"'):gsub('"wallets":%b[]', '"wallets":{}')
end

-- Answers that are odd but sound: clients are to cope with them.

function spoil.no_refresh_token(answer)
  answer.body = answer.body:gsub('"refresh_token":"[^"]*",', "")
end

function spoil.no_key(answer)
  answer.body = answer.body:gsub('("encrypted_authorization_key":)%b{}', "%1null")
end

function spoil.expires_in_seconds(answer)
  answer.body = answer.body:gsub('("expires_at":%d+)%d%d%d', "%1")
end

function spoil.no_expires_in(answer)
  answer.body = answer.body:gsub('"expires_in":%d+,', "")
end

function spoil.expires_in(answer, fault)
  answer.body = answer.body:gsub('("expires_in":)%d+', function(name) return name .. fault.json end)
end

function spoil.headers(answer, fault)
  local value = ("h"):rep(fault.header_bytes)
  for i = 1, fault.headers do answer.headers["X-Fault-" .. i] = value end
end

function spoil.status(answer, fault, shape)
  local code = fault.code or CODES[fault.status] or "fault"
  local failure = answers.failure(
    { status = fault.status, code = code, message = fault.message or "Fault asked for: " .. code }, fault.shape or shape)
  answer.status, answer.content_type, answer.body = failure.status, failure.content_type, failure.body
  answer.request_id = failure.request_id
end

function spoil.redirect(answer, fault)
  replace(answer, fault.status or 302, "text/plain", "elsewhere\n")
  answer.headers["Location"] = fault.location
end

--- Retry-After goes with any answer.
function spoil.retry_after(answer, fault)
  if fault.retry_after_date then
    answer.headers["Retry-After"] = ngx.http_time(ngx.time() + fault.retry_after_date)
  elseif fault.retry_after then
    answer.headers["Retry-After"] = tostring(fault.retry_after)
  end
end

return spoil
