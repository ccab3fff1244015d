-- Fetches the endpoints of the issuer of an exchange, once for a keeper.
-- Owns: which of the errors at several URLs is returned.
-- Does not know: the form of the metadata, which the exchange reads.

local clock = require "grid.keeper.clock"
local failure = require "grid.keeper.failure"
local requests = require "grid.keeper.request"
local results = require "grid.keeper.result"

local discovery = {}

local METADATA_FAILED = { kind = "refused", code = "exchange_failed", message = "the exchange failed to read the metadata" }

-- -> true | nil, error
local function fetch_metadata(keeper, url, deadline)
  local request, err = requests.compose(keeper, deadline - clock.boot(), deadline, "GET", url)
  local answer
  if request then answer, err = keeper.http:perform(request) end
  if not answer then return nil, err end
  local ok, is_known, problem = pcall(keeper.exchange.discovery.read, answer)
  if ok and is_known then return true end
  if not ok or not results.is_failure(problem) then problem = METADATA_FAILED end
  return nil, failure.of_answer({
    kind = problem.kind, code = problem.code, message = problem.message, retry_after = answer.retry_after,
  }, answer.headers)
end

--- Fetches the endpoints, unless they are known. Of the errors at the URLs, one with
--- `retry_after` is returned. -> true | nil, error
function discovery.fetch(keeper, deadline)
  local declared, last = keeper.exchange.discovery, nil
  if not declared or keeper.endpoints.are_known then return true end
  for _, url in ipairs(declared.urls) do
    if clock.boot() >= deadline then break end
    local ok, err = fetch_metadata(keeper, url, deadline)
    if ok then
      keeper.endpoints.are_known = true
      return true
    end
    if not last or not last.retry_after then last = err end
  end
  return nil, last or failure.of_answer { kind = "refused", code = "no_metadata", message = "the metadata was not fetched in time" }
end

return discovery
