-- Builds the requests of an exchange, which may be one of the user.
-- Owns: the errors of an exchange that gives no request, or an invalid one.
-- Does not know: when a request may be sent, and what the answers mean.

local errors = require "grid.errors"
local failure = require "grid.keeper.failure"

local request = {}

--- The error of an exchange that gives no request.
function request.none()
  return failure.of_answer { kind = "refused", code = "no_request", message = "the exchange gave no request" }
end

local NO_OPTIONS = {}

--- A request as Http:perform takes it | nil, error | nil: the exchange has none.
function request.compose(keeper, timeout, not_after, method, url, headers, body)
  if not method then
    if url == nil or errors.is_error(url) then return nil, url end
    return nil, request.none()
  end
  local ok, composed = pcall(keeper.http.compose, keeper.http, "exchange.request",
    { method = method, url = url, headers = headers, body = body }, NO_OPTIONS)
  if not ok then
    local problem = tostring(composed):match "grid: (.*)$" or tostring(composed) -- behind the caller's line
    return nil, failure.of_answer { kind = "refused", code = "bad_request", message = problem }
  end
  composed.timeout, composed.retries = timeout, 0
  composed.idempotent, composed.not_after = false, not_after
  return composed
end

--- The request that `build(value)` of an exchange gives. -> as request.compose
function request.of(keeper, build, value, timeout, not_after)
  local ok, method, url, headers, body = pcall(build, value)
  if not ok then
    return nil, failure.of_answer { kind = "refused", code = "exchange_failed", message = "the exchange failed to build a request" }
  end
  return request.compose(keeper, timeout, not_after, method, url, headers, body)
end

return request
