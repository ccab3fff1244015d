-- The store in a shared dictionary, over a dictionary in this process: workers that are
-- stopped between any two calls of the dictionary, and killed there. Inside nginx:
-- spec/nginx/shdict_spec.lua.
-- Does not know: the keeper.

local check = require "grid.store.check"
local core = require "grid.core"
local dictionary = require "spec.store.dictionary"
local due_times = require "spec.store.due_times"
local grid = require "grid"
local linear = require "spec.store.linear"
local shdict = require "grid.store.shdict"

-- Workers that take turns at one dictionary. A worker runs a list of operations, and
-- stops before each call of the dictionary.
local Turns = {}
Turns.__index = Turns

local function turns(break_it)
  local self = setmetatable({ dict = dictionary.new(), operations = {}, now = 0, workers = {} }, Turns)
  self.dict.on_call = function()
    if coroutine.running() and self.is_stepping then coroutine.yield() end
  end
  self.store = shdict.over(self.dict, "sessions")
  if break_it then break_it(self) end
  return self
end

local blobs = 0

-- One operation, noted in the history. `rev` of it: of the last get or put of the worker.
function Turns:operate(worker, method)
  blobs = blobs + 1
  local operation = { id = "a", method = method, expected = worker.rev, begin_at = self.now, result = "unknown" }
  self.operations[#self.operations + 1] = operation
  local first, second
  if method == "get" then
    first, second = self.store:get "a"
    operation.blob, operation.rev, worker.rev = first, second, second
    operation.result = "done"
  elseif method == "put" then
    operation.blob = "blob " .. blobs
    first, second = self.store:put("a", worker.rev, operation.blob, blobs)
    operation.rev, worker.rev = first, first or worker.rev
    operation.result = first and "done" or second == "conflict" and second or "unknown"
  else
    first, second = self.store:remove("a", worker.rev or "0-0")
    operation.expected = worker.rev or "0-0"
    if first then worker.rev = nil end
    operation.result = first and "done" or second == "conflict" and second or "unknown"
  end
  operation.end_at = self.now
end

function Turns:worker(...)
  local worker, methods = {}, { ... }
  worker.thread = coroutine.create(function()
    for _, method in ipairs(methods) do self:operate(worker, method) end
  end)
  return worker
end

-- Lets the worker make so many calls of the dictionary. -> has it ended?
function Turns:step(worker, count)
  self.is_stepping = true
  for _ = 1, count do
    if coroutine.status(worker.thread) == "dead" then break end
    self.now = self.now + 1
    assert(coroutine.resume(worker.thread))
  end
  self.is_stepping = false
  return coroutine.status(worker.thread) == "dead"
end

function Turns:finish(worker)
  while not self:step(worker, 1) do end
end

-- The calls that a worker with these operations makes when it is alone.
local function calls_of(prepare, methods)
  local all, count = turns(), 0
  prepare(all)
  local worker = all:worker((table.unpack or unpack)(methods))
  repeat count = count + 1 until all:step(worker, 1)
  return count
end

local function with_record(all) all:finish(all:worker "put") end

-- What the keys of the dictionary are, by their first letter.
local function kinds(dict)
  local counts = {}
  for key in pairs(dict.keys) do counts[key:sub(1, 1)] = (counts[key:sub(1, 1)] or 0) + 1 end
  return counts
end

local OTHERS = {
  { "get", "put" }, { "get", "put", "put" }, { "get", "remove" }, { "get", "remove", "put", "put" },
  { "get", "put", "put", "put", "put" }, { "get", "put", "remove", "put", "get" },
}
local OWN = { { "get", "put" }, { "get", "remove" }, { "get", "put", "put" }, { "get", "get" } }

-- A worker stops at `first`; others run; it goes on to `second`; others run; it ends.
local function interleave(own, other, first, second, break_it)
  local all = turns(break_it)
  with_record(all)
  local worker = all:worker((table.unpack or unpack)(own))
  all:step(worker, first)
  all:finish(all:worker((table.unpack or unpack)(other)))
  all:step(worker, second - first)
  all:finish(all:worker((table.unpack or unpack)(other)))
  all:finish(worker)
  all:finish(all:worker("get", "put", "get"))
  return all
end

-- -> why the first history that no register can have is one | nil: there is none. Calls
-- `each` for each run.
local function explore(break_it, each)
  local runs = 0
  for _, own in ipairs(OWN) do
    local calls = calls_of(with_record, own)
    for _, other in ipairs(OTHERS) do
      for first = 0, calls do
        for second = first, math.min(calls, first + 2) do
          local all = interleave(own, other, first, second, break_it)
          local ok, problem = linear.check_all(all.operations)
          if not ok then return problem end
          if each then each(all, table.concat(own, " ") .. " | " .. table.concat(other, " ") .. " | " .. first .. " " .. second) end
          runs = runs + 1
        end
      end
    end
  end
  assert(runs > 800)
end

describe("a store in a shared dictionary", function()
  it("keeps the contract of stores", function()
    local dict = dictionary.new(2 ^ 22)
    assert.same({ true }, { check(function() return shdict.over(dict, "sessions") end) })
    due_times(shdict.over(dict, "sessions"))
    assert.is_nil(kinds(dict).b)
    assert.is_nil(kinds(dict).o)
    assert.equal(kinds(dict).n, kinds(dict).p)
  end)

  it("is linearizable wherever a worker stops for others, and leaves no keys", function()
    local problem = explore(nil, function(all, name)
      for _, operation in ipairs(all.operations) do assert.not_equal("unknown", operation.result, name) end
      assert.same({ n = 1, p = 1, b = all.dict.keys and all.store:get "a" and 1 or nil }, kinds(all.dict), name)
    end)
    assert.is_nil(problem)
  end)

  local MUTANTS = {
    ["puts a page over another one"] = function(all)
      local add = all.dict.safe_add
      function all.dict:safe_add(key, value)
        if key:find "^p" and self.keys[key] then self.keys[key] = nil end
        return add(self, key, value)
      end
    end,
    ["takes each page that it has added for one with an effect"] = function(all)
      local get = all.dict.get
      function all.dict:get(key)
        local value = get(self, key)
        return key:find "^o" and "1" or value
      end
    end,
    ["takes no page that was passed for one with an effect"] = function(all)
      local get = all.dict.get
      function all.dict:get(key)
        local value = get(self, key)
        return key:find "^o" and "0" or value
      end
    end,
    ["does not look at the number a second time"] = function(all)
      local get, numbers = all.dict.get, {}
      function all.dict:get(key)
        local value = get(self, key)
        if not key:find "^n" then return value end
        local thread = coroutine.running() or "main"
        local before = numbers[thread]
        numbers[thread] = not before and value or nil
        return before or value
      end
    end,
  }
  for name, mutant in pairs(MUTANTS) do
    it("would be found out if it " .. name, function()
      local ok, problem = pcall(explore, mutant)
      assert.is_true(not ok or problem ~= nil)
    end)
  end

  it("serves and changes a record after a worker was killed between any two calls", function()
    for _, own in ipairs { { "get", "put" }, { "get", "remove" }, { "get", "put", "put" } } do
      for at = 0, calls_of(with_record, own) do
        local all = turns()
        with_record(all)
        all:step(all:worker((table.unpack or unpack)(own)), at)
        all:finish(all:worker("get", "put", "get", "remove", "get", "put", "get"))
        assert.same({ true }, { linear.check_all(all.operations) })
        local last = all.operations[#all.operations]
        assert.same({ all.store:get "a" }, { last.blob, last.rev })
        assert.same({ "a" }, all.store:list(10))
      end
    end
  end)

  it("adds the first record of a bucket after a worker was killed at the same", function()
    local function nothing() end
    for at = 0, calls_of(nothing, { "put" }) do
      local all = turns()
      all:step(all:worker "put", at)
      all:finish(all:worker("get", "put", "get"))
      assert.same({ true }, { linear.check_all(all.operations) })
      assert.is_truthy(all.store:get "a")
    end
  end)

  -- A store whose next put finds too little room before it looks for keys that were
  -- left; and a worker of that process id, which has put the record "a" and stops while
  -- it replaces that.
  local function with_stopped_worker(pid, calls)
    local dict = dictionary.new(2 ^ 14)
    local store, other = shdict.over(dict, "sessions"), shdict.over(dict, "sessions", function() return pid end)
    local rev = assert(other:put("a", nil, "1"))
    local thread = coroutine.create(function() other:put("a", rev, ("x"):rep(2 ^ 13)) end)
    dict.on_call = function() if coroutine.running() == thread then coroutine.yield() end end
    for _ = 1, calls do coroutine.resume(thread) end
    local _, now = store:get "a"
    dict.used = dict.used + 7500 -- as if other records were there
    return store, rev, now == rev, thread
  end

  it("removes what killed workers have left before it says that the dictionary is full", function()
    local gone = tonumber(require("spec.support.child").capture "sh -c 'echo $$'")
    for at = 0, calls_of(with_record, { "get", "put" }) do
      local store, rev, is_old = with_stopped_worker(gone, at)
      if is_old then
        assert.is_string(store:put("b", nil, ("x"):rep(100)), at)
        assert.is_true(kinds(store.pages.dict).b == 2 and kinds(store.pages.dict).o == nil)
        assert.same({ "1", rev }, { store:get "a" })
      else
        local blob, now = store:get "a"
        assert.equal(2 ^ 13, #blob)
        store.pages.dict.used = store.pages.dict.used - 7500
        assert.is_string(store:put("a", now, "3"))
        assert.same(1, kinds(store.pages.dict).b)
      end
    end
  end)

  it("removes no key of a worker that is alive", function()
    for at = 0, calls_of(with_record, { "get", "put" }) do
      local store, _, is_old, thread = with_stopped_worker(core.pid(), at)
      local before = kinds(store.pages.dict).b
      if is_old then store:put("b", nil, ("x"):rep(100)) end
      assert.is_true(kinds(store.pages.dict).b >= before, at)
      store.pages.dict.used = store.pages.dict.used - 7500
      while coroutine.status(thread) ~= "dead" do assert(coroutine.resume(thread)) end
      assert.equal(2 ^ 13, #store:get "a")
    end
  end)

  -- A process may have several Lua VMs, one after the other: nginx at each reload, and
  -- with lua_code_cache off at each request. A process id is given again, too.
  it("keeps the records of an earlier VM with that process id", function()
    local dict = dictionary.new()
    local function over_in_new_vm()
      package.loaded["grid.store.shdict"] = nil
      finally(function() package.loaded["grid.store.shdict"] = shdict end)
      return require("grid.store.shdict").over(dict, "sessions")
    end
    local earlier, later = over_in_new_vm(), over_in_new_vm()
    local rev = assert(earlier:put("a", nil, "1"))
    rev = assert(earlier:put("a", rev, "2"))
    local rev_of_b = assert(later:put("b", nil, "b"))
    assert(later:put("c", nil, "c"))
    assert(earlier:put("a", rev, "3"))
    assert.same({ "b", rev_of_b }, { later:get "b" })
    assert.equal("c", (earlier:get "c"))
    assert.equal("3", (later:get "a"))
  end)

  it("says that the dictionary is full, keeps all records, and can replace and remove them", function()
    local dict = dictionary.new(2 ^ 16)
    local store, rev_of, ids, err = shdict.over(dict, "sessions"), {}, {}
    repeat
      local id = ("id %03d"):format(#ids + 1)
      rev_of[id], err = store:put(id, nil, ("x"):rep(2000))
      if rev_of[id] then ids[#ids + 1] = id end
    until err
    assert.is_true(grid.is_error(err, "store"))
    assert.equal("full", err.code)
    assert.matches("make its lua_shared_dict larger, which begins an empty one", err.message)
    assert.is_true(#ids > 20)
    assert.same(ids, store:list(1000))
    assert.is_nil(kinds(dict).o)
    assert.equal(#ids, kinds(dict).b)
    for _, id in ipairs(ids) do rev_of[id] = assert(store:put(id, rev_of[id], ("y"):rep(2000))) end
    for _, id in ipairs(ids) do assert.equal(("y"):rep(2000), (store:get(id))) end
    assert.is_nil((store:put("more", nil, ("x"):rep(2000))))
    for _, id in ipairs(ids) do assert.is_true(store:remove(id, rev_of[id])) end
    assert.same({}, store:list(1))
    assert.is_string((store:put("more", nil, ("x"):rep(2000))))
  end)

  -- The intent of a refresh makes a record longer, and its answer makes it shorter again.
  it("takes shorter records in place of those whose growth has filled the dictionary", function()
    local store, ids, err = shdict.over(dictionary.new(2 ^ 16), "sessions"), {}, nil
    repeat
      local id = ("id %03d"):format(#ids + 1)
      local rev = store:put(id, nil, ("x"):rep(500))
      ids[#ids + 1] = rev and id
    until not rev
    local size = 500
    repeat
      size = size + 10
      for _, id in ipairs(ids) do
        local rev, problem = store:put(id, select(2, store:get(id)), ("y"):rep(size))
        err = not rev and problem or err
      end
    until err
    assert.equal("full", err.code)
    for _, id in ipairs(ids) do assert.is_string(store:put(id, select(2, store:get(id)), ("z"):rep(500))) end
  end)

  it("leaves the record as it was, whichever call of the dictionary finds no memory", function()
    for failing = 1, 4 do
      local dict = dictionary.new()
      local store = shdict.over(dict, "sessions")
      local rev = assert(store:put("a", nil, "1"))
      local before, count, add = kinds(dict), 0, dict.safe_add
      function dict:safe_add(key, value)
        count = count + 1
        if count == failing and self.keys[key] == nil then return nil, "no memory" end
        return add(self, key, value)
      end
      local done, err = store:put("a", rev, "2")
      assert.is_true(count >= failing)
      if failing ~= 2 then -- the second one finds a key that is there
        assert.is_nil(done)
        assert.equal("full", err.code)
        assert.same(before, kinds(dict))
        assert.same({ "1", rev }, { store:get "a" })
      end
      dict.safe_add = nil
      assert.is_string(store:put("a", select(2, store:get "a"), "3"))
      assert.equal("3", (store:get "a"))
    end
  end)

  it("says that keys are missing, and does not take that for a record that was removed", function()
    for _, prefix in ipairs { "^p", "^b" } do
      local dict = dictionary.new()
      local store = shdict.over(dict, "sessions")
      assert(store:put("a", nil, "1"))
      for key in pairs(dict.keys) do
        if key:find(prefix) then dict.keys[key] = nil end
      end
      local blob, err = store:get "a"
      assert.is_nil(blob)
      assert.is_true(grid.is_error(err, "store"))
      assert.equal("damaged", err.code)
    end
  end)

  it("does not read a page again in which nothing is due", function()
    local dict = dictionary.new()
    local store, other = shdict.over(dict, "sessions"), shdict.over(dict, "sessions")
    local rev = assert(store:put("a", nil, "1", 2000))
    assert.same({}, store:due(1000, 10))
    local pages = 0
    dict.on_call = function(_, key)
      if key:find "^p" and dict.keys[key] then pages = pages + 1 end
    end
    assert.same({}, store:due(1999, 10))
    assert.equal(0, pages)
    assert.same({ "a" }, store:due(2000, 10))
    assert(other:put("a", rev, "2", 500))
    assert.same({ "a" }, store:due(1000, 10))
  end)

  it("keeps due times in microseconds", function()
    local store = shdict.over(dictionary.new(), "sessions")
    local rev = assert(store:put("a", nil, "1", 1700000000.123456))
    assert(store:put("a", rev, "1", 1700000000.123456))
    assert.same({}, store:due(1700000000.123455, 10))
    assert.same({ "a" }, store:due(1700000000.123457, 10))
  end)

  it("tells what it is", function()
    local store = shdict.over(dictionary.new(), "sessions")
    assert.is_true(store.is_local)
    assert.equal("grid.store.shdict: sessions", tostring(store))
    assert.matches("end with nginx", store:durability())
    assert.equal("grid.store.shdict: sessions", tostring(store))
  end)

  it("has more buckets in a larger dictionary", function()
    local function buckets(size) return shdict.over(dictionary.new(size), "sessions").pages.buckets end
    assert.same({ 16, 16, 512, 4096 }, { buckets(2 ^ 15), buckets(2 ^ 18), buckets(10 * 2 ^ 20), buckets(2 ^ 34) })
  end)
end)
