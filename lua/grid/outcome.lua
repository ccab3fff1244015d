-- Computes the outcome of a call, on which every decision to repeat a request is based.
-- Owns: the rule, and what statuses say of it. Pure: values in, values out.
-- Does not know: errors and calls.

local outcome = {}

---@alias grid.Outcome
---| "none" the request was not executed: the call may be repeated as a new one
---| "unknown" the request may have been executed: repeat it with the same key and bytes only
---| "final" the service refused the request

local NOT_EXECUTED = { [429] = true, [503] = true }

-- 408 means that the request was not received completely, but gateways also send it when
-- the service behind them did not answer in time.
local function is_refusal(status)
  return status >= 400 and status < 500 and status ~= 408
end

--- Is it the status of a success (RFC 9110 section 15.3)?
---@param status? integer
---@return boolean
function outcome.is_success(status)
  return status ~= nil and status >= 200 and status < 300
end

--- The outcome of a failed attempt.
---@param sent "no"|"yes"|"unknown"
---@param status? integer of the answer, if its status line was received
---@param earlier? grid.Outcome of the previous attempts: a later attempt does not revoke their effect
---@return grid.Outcome
function outcome.of(sent, status, earlier)
  if sent == "no" or NOT_EXECUTED[status] then return earlier == "unknown" and "unknown" or "none" end
  return status and is_refusal(status) and "final" or "unknown"
end

return outcome
