-- Decides whether a history of operations on one record is linearizable: whether each
-- operation can have taken effect at one moment between its begin and its end, by the
-- rules of compare-and-set. An operation without a result (an error, a killed process)
-- may have taken effect once, at any later moment, or never.
-- Does not know: stores. Blobs of a history are all different.

local linear = {}

---@class (exact) spec.Operation
---@field method "get"|"put"|"remove"
---@field expected any of put and remove: the expected rev
---@field blob string? of put: the new blob; of get: the result, nil: no record
---@field rev any of put and get: the rev of that blob
---@field result "done"|"conflict"|"unknown"
---@field begin_at number
---@field end_at number? nil: it has not ended

-- The record's rev for each blob, as far as a result has told it. -> table | nil, problem
local function revs_of(operations)
  local rev_of, blob_of = {}, {}
  for _, operation in ipairs(operations) do
    local blob, rev = operation.blob, operation.rev
    if operation.result == "done" and blob and rev then
      if rev_of[blob] and rev_of[blob] ~= rev then return nil, ("the blob %s has two revs"):format(blob) end
      if blob_of[rev] and blob_of[rev] ~= blob then return nil, ("the rev %s is that of two blobs"):format(rev) end
      rev_of[blob], blob_of[rev] = rev, blob
    end
  end
  return rev_of
end

-- The record after the operation, "" for none | nil: the operation cannot have had its
-- result with this record before it.
local function apply(operation, record, rev_of)
  local rev, after = nil, record
  if record ~= "" then rev = rev_of[record] or false end -- false: never told
  local can_be = operation.expected == rev
  if operation.method == "get" then
    can_be = (operation.blob or "") == record
  elseif operation.result == "conflict" then
    can_be = not can_be
  elseif operation.method == "remove" then
    can_be, after = can_be and rev ~= nil, ""
  else
    after = operation.blob
  end
  return can_be and after or nil
end

-- Begins and ends in their order; what begins at the moment of an end is beside it.
local function events_of(operations)
  local events = {}
  for i, operation in ipairs(operations) do
    events[#events + 1] = { at = operation.begin_at, i = i, order = 0 }
    if operation.end_at and operation.result ~= "unknown" then events[#events + 1] = { at = operation.end_at, i = i, order = 1 } end
  end
  table.sort(events, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    if a.order ~= b.order then return a.order < b.order end
    return a.i < b.i
  end)
  return events
end

-- A state: the record, and which of the operations under way have taken effect. One that
-- changes nothing takes effect as soon as it can: that rules out nothing.

local function key_of(state)
  local parts = {}
  for i in pairs(state.done) do parts[#parts + 1] = i end
  table.sort(parts)
  return state.record .. "\0" .. table.concat(parts, " ")
end

local function changes(operation)
  return operation.method ~= "get" and operation.result ~= "conflict"
end

local function settle(state, i, operation, rev_of)
  if not changes(operation) and apply(operation, state.record, rev_of) then state.done[i] = true end
end

-- The state after the change `i`.
local function after(state, i, record, under_way, operations, rev_of)
  local new = { record = record, done = { [i] = true } }
  for other in pairs(state.done) do new.done[other] = true end
  for other in pairs(under_way) do
    if not new.done[other] then settle(new, other, operations[other], rev_of) end
  end
  return new
end

-- The states that follow from `states` by changes under way, until `i` has had its
-- effect.
local function with_effect(states, i, under_way, operations, rev_of)
  local seen, results, count, stack = {}, {}, 0, {}
  for _, state in ipairs(states) do stack[#stack + 1] = state end
  while #stack > 0 do
    local state = table.remove(stack)
    local key = key_of(state)
    if not seen[key] then
      seen[key] = true
      if state.done[i] then
        state.done[i], count = nil, count + 1
        results[count] = state
      else
        for other in pairs(under_way) do
          local operation = operations[other]
          local record = not state.done[other] and changes(operation) and apply(operation, state.record, rev_of)
          if record then stack[#stack + 1] = after(state, other, record, under_way, operations, rev_of) end
        end
      end
    end
  end
  return results
end

--- Is the history of one record, which is not there at first, linearizable?
---@param operations spec.Operation[]
---@return true? ok, string? problem
function linear.check(operations)
  local rev_of, problem = revs_of(operations)
  if not rev_of then return nil, problem end
  local states, under_way = { { record = "", done = {} } }, {}
  for _, event in ipairs(events_of(operations)) do
    local operation = operations[event.i]
    if event.order == 0 then
      under_way[event.i] = true
      for _, state in ipairs(states) do settle(state, event.i, operation, rev_of) end
    else
      states = with_effect(states, event.i, under_way, operations, rev_of)
      under_way[event.i] = nil
      if #states == 0 then
        return nil, ("%s(%s) gives %s, %s, %s at %s: no order of the operations explains that"):format(
          operation.method, tostring(operation.expected), operation.result, tostring(operation.blob),
          tostring(operation.rev), operation.end_at)
      end
    end
  end
  return true
end

--- The same for records of several ids: `operations` have a field `id`.
function linear.check_all(operations)
  local by_id = {}
  for _, operation in ipairs(operations) do
    by_id[operation.id] = by_id[operation.id] or {}
    table.insert(by_id[operation.id], operation)
  end
  for id, its in pairs(by_id) do
    local ok, problem = linear.check(its)
    if not ok then return nil, id .. ": " .. problem end
  end
  return true
end

return linear
