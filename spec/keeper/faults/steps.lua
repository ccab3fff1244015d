-- The steps of a refresh, seen from outside: a store and an exchange around others, which
-- tell each step to `at` before it goes on. In their order:
--   read                 before a record is read
--   intent, intent_done  before the intent is put, and after that
--   request              the last look at the clock is over, the request is not sent
--   answer               the answer has come, and is not read
--   save, save_done      before an answer with tokens is put, and after that
--   refusal, refusal_done  the same of an answer that refuses the refresh token
-- Does not know: what happens at a step.

local steps = {}

local STORE = { "get", "put", "remove", "due", "list", "durability" }

--- -> store, exchange. `at(step)` is also told `intent_failed`, `save_failed` and
--- `refusal_failed`, after a put that gave an error.
function steps.around(store, exchange, at)
  local phase = "intent"
  local watched, copy = { is_local = store.is_local }, {}
  for _, name in ipairs(STORE) do
    watched[name] = function(_, ...) return store[name](store, ...) end
  end
  function watched.get(_, ...)
    at "read"
    return store:get(...)
  end
  function watched.put(_, ...)
    local step = phase
    at(step)
    local rev, err = store:put(...)
    if rev or step ~= "save" then phase = "intent" end -- an answer with tokens is put until that succeeds
    if rev then at(step .. "_done") elseif err ~= "conflict" then at(step .. "_failed") end
    return rev, err
  end
  for name, value in pairs(exchange) do copy[name] = value end
  function copy.request(grant)
    at "request"
    return exchange.request(grant)
  end
  function copy.read(answer, grant)
    at "answer"
    local tokens, problem = exchange.read(answer, grant)
    phase = tokens and "save" or problem.kind == "reject" and "refusal" or "intent"
    return tokens, problem
  end
  return watched, copy
end

return steps
