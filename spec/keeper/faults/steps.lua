-- The numbered steps of a refresh, seen from outside: a store and an exchange around
-- others, which tell each step to `at` before it goes on.
-- Does not know: what happens at a step.

local steps = {}

--- In the order in which a refresh passes them.
steps.NAMES = {
  "read",        -- before the record is read
  "intent",      -- before the intent is put
  "intent_done", -- after that
  "request",     -- the last look at the clock is over, the request is not sent
  "answer",      -- the answer has come, and is not read
  "save",        -- before the answer is put
  "save_done",   -- after that
}

local STORE = { "get", "put", "remove", "due", "list", "durability" }

--- -> store, exchange. `at(step)` is also told `intent_failed` and `save_failed`, after a
--- put that gave an error.
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
    at(phase)
    local rev, err = store:put(...)
    if rev then at(phase .. "_done") elseif err ~= "conflict" then at(phase .. "_failed") end
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
    phase = tokens and "save" or "intent"
    return tokens, problem
  end
  return watched, copy
end

return steps
