-- The conformance suite of stores: it passes good stores, and says what is wrong with
-- each of those that have one fault. Does not know: the stores of other rooms.

local check = require "grid.store.check"
local due_times = require "spec.store.due_times"
local memory = require "grid.store.memory"

-- Instances that share their records: a store made by `break_it` of one in memory.
local function shared(break_it)
  local inner = memory.new()
  return function()
    local store = { is_local = true }
    for _, name in ipairs { "get", "put", "remove", "due", "list", "durability" } do
      store[name] = function(_, ...) return inner[name](inner, ...) end
    end
    if break_it then break_it(store, inner) end
    return store
  end
end

-- Replaces one method by a function of the old one, without `self`, and the arguments.
local function method(name, new)
  return function(store, inner)
    local old = store[name]
    store[name] = function(_, ...) return new(function(...) return old(store, ...) end, inner, ...) end
  end
end

local function blind_put(put, inner, id, _, blob, due_at)
  local _, rev = inner:get(id)
  return put(id, rev, blob, due_at)
end

local function reversed(ids)
  local result = {}
  for i = #ids, 1, -1 do result[#result + 1] = ids[i] end
  return result
end

local function at_id(change)
  return function(store)
    for _, name in ipairs { "get", "put", "remove" } do
      local old = store[name]
      store[name] = function(self, id, ...) return old(self, change(id), ...) end
    end
  end
end

-- The revs of a record are counted, and start again once it was removed.
local function with_counters(store, inner)
  local revs = inner.revs or {} -- of the records that there are
  inner.revs = revs
  function store.get(_, id)
    return inner:get(id), revs[id]
  end
  function store.put(_, id, rev, ...)
    if rev ~= revs[id] then return nil, "conflict" end
    inner:put(id, select(2, inner:get(id)), ...)
    revs[id] = (rev or 0) + 1
    return revs[id]
  end
  function store.remove(_, id, rev)
    if not revs[id] or rev ~= revs[id] then return nil, "conflict" end
    inner:remove(id, select(2, inner:get(id)))
    revs[id] = nil
    return true
  end
end

local FAULTS = {
  ["has no due"] = { function(store) store.due = nil end, "has no method 'due'" },
  ["does not say whether it is local"] = { function(store) store.is_local = nil end, "is_local" },
  ["tells no durability"] = { method("durability", function() end), "durability%(%) must give a text" },
  ["says of each record that it is unchanged"] = { function(store)
    store.is_unchanged = function() return true end
  end, "is_unchanged%('a'%) is true for the rev before the last" },
  ["says of a removed record that it is unchanged"] = { function(store, inner)
    store.is_unchanged = function(_, id, rev)
      local _, current = inner:get(id)
      return current == nil or current == rev
    end
  end, "is_unchanged%('a'%) is true for a removed record's rev" },
  ["puts over any rev"] = { method("put", blind_put), "put%('a'%) is carried out with a rev, where there is no record" },
  ["creates over a record"] = { method("put", function(put, inner, id, rev, ...)
    if rev == nil then return blind_put(put, inner, id, rev, ...) end
    return put(id, rev, ...)
  end), "put%('a'%) is carried out without a rev, over a record" },
  ["removes whatever the rev"] = { method("remove", function(remove, inner, id)
    local _, rev = inner:get(id)
    if not rev then return nil, "conflict" end
    return remove(id, rev)
  end), "remove%('a'%) is carried out with the rev before the last" },
  ["removes what is not there"] = { method("remove", function(remove, inner, id, rev)
    if not inner:get(id) then return true end
    return remove(id, rev)
  end), "remove%('a'%) is carried out where there is no record" },
  ["does not remove"] = { method("remove", function(_, inner, id, rev)
    if select(2, inner:get(id)) == rev then return true end
    return nil, "conflict"
  end), "get%('.'%) gives a record that is not there" },
  ["says false for a conflict"] = { method("put", function(put, _, ...)
    local rev = put(...)
    if rev then return rev end
    return nil, "changed"
  end), "gives changed, not \"conflict\"" },
  ["gives an error for no record"] = { method("get", function(get, _, id)
    local blob, rev = get(id)
    return blob, blob and rev or "not found"
  end), "gives the error not found" },
  ["starts to count again after a removal"] = { with_counters, "the rev 1 is given for a second put" },
  ["keeps the rev where the blob is the same"] = { method("put", function(put, inner, id, rev, blob, due_at)
    local old, old_rev = inner:get(id)
    if rev and rev == old_rev and blob == old then return rev end
    return put(id, rev, blob, due_at)
  end), "gives the rev of the record that it replaces" },
  ["ends a blob at a NUL"] = { method("put", function(put, _, id, rev, blob, due_at)
    return put(id, rev, blob:match "^[^%z]*", due_at)
  end), "gives the blob" },
  ["changes line ends"] = { method("put", function(put, _, id, rev, blob, due_at)
    return put(id, rev, blob:gsub("\r\n", "\n"), due_at)
  end), "gives the blob" },
  ["cuts long blobs"] = { method("put", function(put, _, id, rev, blob, due_at)
    return put(id, rev, blob:sub(1, 65535), due_at)
  end), "gives the blob" },
  ["ends an id at a NUL"] = { at_id(function(id) return id:match "^[^%z]+" or "\0" end), "gives no rev: conflict" },
  ["cuts an id of 255 bytes"] = { at_id(function(id) return id:sub(1, 254) end), "gives no rev: conflict" },
  ["does not tell upper from lower case"] = { at_id(string.lower), "gives no rev: conflict" },
  ["lists in no order"] = { method("list", function(list, _, ...) return reversed(list(...)) end), "list%(.-%) gives" },
  ["lists from `after` on"] = { method("list", function(list, inner, limit, after)
    if after and inner:get(after) then
      local ids = list(limit, after)
      table.insert(ids, 1, after)
      return ids
    end
    return list(limit, after)
  end), "list%(.-%) gives" },
  ["lists from the start if `after` is no record"] = { method("list", function(list, inner, limit, after)
    return list(limit, after and inner:get(after) and after or nil)
  end), "list%(1, 'b" },
  ["knows no limit in list"] = { method("list", function(list, _, _, after) return list(1000, after) end), "list%(.-%) gives" },
  ["knows no limit in due"] = { method("due", function(due, _, now) return due(now, 1000) end), "due%(3000, 2%)" },
  ["gives one id of two that are due"] = { method("due", function(due, _, now, limit)
    return due(now, math.min(limit, 1))
  end), "due%(1001, 10%) gives 1 ids, not 2 of the 2 that are due" },
  ["gives what is due twice"] = { method("due", function(due, _, ...)
    local ids = due(...)
    if #ids > 1 then ids[#ids] = ids[1] end
    return ids
  end), "due%(1001, 10%) gives 'b', which is not due, or is given twice" },
  ["leaves out what is due this second"] = { method("due", function(due, _, now, limit)
    return due(now - 0.001, limit)
  end), "due%(999, 10%) gives 0 ids, not 1 of the 1" },
  ["gives what is not due yet"] = { method("due", function(due, _, now, limit) return due(now + 1, limit) end), "due%(998, 10%)" },
  ["keeps the due time of the first put"] = { method("put", function(put, inner, id, rev, blob, due_at)
    local old = inner.records[id]
    return put(id, rev, blob, rev and old and old.due_at or due_at)
  end), "due%(" },
  ["sets the due time of a put that conflicts"] = { method("put", function(put, inner, id, rev, blob, due_at)
    if inner.records[id] then inner.records[id].due_at = due_at end
    return put(id, rev, blob, due_at)
  end), "due%(" },
  ["reads from memory what another instance has changed"] = { function(store)
    local seen, get, put = {}, store.get, store.put
    function store.get(self, id)
      if not seen[id] then seen[id] = { get(self, id) } end
      return seen[id][1], seen[id][2]
    end
    function store.put(self, id, ...)
      local rev, err = put(self, id, ...)
      if rev then seen[id] = { select(2, ...), rev } end
      return rev, err
    end
  end, "get%('.'%) gives" },
  ["compares the rev with one that it has read before"] = { function(store, inner)
    local read = {}
    local get, put = store.get, store.put
    function store.get(self, id)
      local blob, rev = get(self, id)
      read[id] = rev
      return blob, rev
    end
    function store.put(self, id, rev, ...)
      if id == "n" and rev and rev == read[id] then rev = select(2, inner:get(id)) end
      return put(self, id, rev, ...)
    end
  end, "of two puts with the same rev, 2 are carried out" },
  ["raises"] = { method("due", function() error "no connection" end), "due%(.-%) raised: .*no connection" },
  ["fails"] = { method("put", function() return nil, "no room" end), "gives no rev: no room" },
  ["gives no list"] = { method("list", function() return nil, "no room" end), "list gives no ids: no room" },
}

describe("the check of stores", function()
  it("passes a store in memory, shared or not", function()
    assert.is_true(check(memory.new))
    local one = memory.new()
    assert.is_true(check(function() return one end))
    assert.is_true(check(shared()))
    assert.same({}, one:list(1))
    due_times(one)
  end)

  it("passes a store that gives the due in no order, and expects a time of each put", function()
    assert.is_true(check(shared(function(store, inner)
      method("put", function(put, _, id, rev, blob, due_at)
        assert(type(due_at) == "number", "no time")
        return put(id, rev, blob, due_at)
      end)(store, inner)
      method("due", function(due, _, now, limit)
        local ids = reversed(due(now, 1000))
        for i = #ids, limit + 1, -1 do ids[i] = nil end
        return ids
      end)(store, inner)
    end)))
  end)

  for name, entry in pairs(FAULTS) do
    it("finds the store that " .. name, function()
      local ok, problem = check(shared(entry[1]))
      assert.is_nil(ok)
      assert.matches(entry[2], problem)
    end)
  end

  it("refuses a store that has records, and leaves them", function()
    local one = memory.new()
    one:put("mine", nil, "1")
    local ok, problem = check(function() return one end)
    assert.is_nil(ok)
    assert.matches("give the check an empty one", problem)
    assert.equal("1", (one:get "mine"))
  end)

  it("says that no store was made", function()
    assert.has_error(function() check {} end, "grid: grid.store.check: 'make_store' must be a function, got table")
    assert.same({ nil, "make_store() gives no store: refused" }, { check(function() return nil, "refused" end) })
    assert.same({ nil, "a store must be a table, got string" }, { check(function() return "memory" end) })
    assert.matches("^raised: .*broken", select(2, check(function() error "broken" end)))
  end)
end)
