-- Checks that a store follows the contract of stores: the library's own and users'
-- stores.
-- Owns: the records that the checks add and remove again. The store must be empty.
-- Does not know: how a store keeps its records. Durability is not checked.

local argument = require "grid.argument"
local contract = require "grid.store.contract"

local Fault = { __name = "grid.store.check.fault" }

local function fault(format, ...)
  error(setmetatable({ message = format:format(...) }, Fault), 0)
end

local function shown(value)
  if type(value) ~= "string" then return tostring(value) end
  local text = value:sub(1, 32):gsub("[^%w%p ]", function(byte) return ("\\%d"):format(byte:byte()) end)
  return ("'%s'%s"):format(text, #value > 32 and ("… (%d bytes)"):format(#value) or "")
end

local function call(store, method, ...)
  local ok, first, second = pcall(store[method], store, ...)
  if not ok then fault("%s(%s) raised: %s", method, shown((...)), tostring(first)) end
  return first, second
end

-- Each of these functions calls one method, and compares its results with the expected
-- ones.

local function get(store, id, blob, rev)
  local found, found_rev = call(store, "get", id)
  if blob == nil then
    if found ~= nil then fault("get(%s) gives a record that is not there", shown(id)) end
    if found_rev ~= nil then fault("get(%s) of no record gives the error %s, not nil", shown(id), tostring(found_rev)) end
    return
  end
  if found == nil then fault("get(%s) gives no record: %s", shown(id), tostring(found_rev)) end
  if found ~= blob then fault("get(%s) gives the blob %s, not %s", shown(id), shown(found), shown(blob)) end
  if found_rev ~= rev then fault("get(%s) gives the rev %s, not %s", shown(id), tostring(found_rev), tostring(rev)) end
end

-- The due_at of most puts: `due` is called with earlier times only. Each put has one, as
-- each put of the keeper has.
local LATER = 3000000000

local function put(store, id, expected_rev, blob, due_at)
  local rev, err = call(store, "put", id, expected_rev, blob, due_at or LATER)
  if not rev then fault("put(%s, %s) gives no rev: %s", shown(id), tostring(expected_rev), tostring(err)) end
  if rev == expected_rev then fault("put(%s) gives the rev of the record that it replaces", shown(id)) end
  return rev
end

local function refused(why, store, method, id, ...)
  local done, err = call(store, method, id, ...)
  if done then fault("%s(%s) is carried out %s", method, shown(id), why) end
  if err ~= "conflict" then fault("%s(%s) %s gives %s, not \"conflict\"", method, shown(id), why, tostring(err)) end
end

local function remove(store, id, rev)
  local ok, err = call(store, "remove", id, rev)
  if ok ~= true then fault("remove(%s) gives %s, not true: %s", shown(id), tostring(ok), tostring(err)) end
end

local function ids_of(method, ids, err)
  if type(ids) ~= "table" then fault("%s gives no ids: %s", method, tostring(err)) end
  return ids
end

local function same_ids(what, ids, expected)
  local got, wanted = {}, {}
  for i, id in ipairs(ids) do got[i] = shown(id) end
  for i, id in ipairs(expected) do wanted[i] = shown(id) end
  for i = 1, math.max(#ids, #expected) do
    if ids[i] ~= expected[i] then
      fault("%s gives %s at place %d, not %s", what, got[i] or "nothing", i, wanted[i] or "nothing")
    end
  end
end

-- In any order, and any `limit` of them if there are more.
local function due(store, now, limit, expected)
  local what, is_expected = ("due(%s, %d)"):format(now, limit), {}
  for _, id in ipairs(expected) do is_expected[id] = true end
  local ids, count = ids_of("due", call(store, "due", now, limit)), math.min(limit, #expected)
  for _, id in ipairs(ids) do
    if not is_expected[id] then fault("%s gives %s, which is not due, or is given twice", what, shown(id)) end
    is_expected[id] = nil
  end
  if #ids ~= count then fault("%s gives %d ids, not %d of the %d that are due", what, #ids, count, #expected) end
end

local function list(store, limit, after, expected)
  same_ids(("list(%d, %s)"):format(limit, shown(after)), ids_of("list", call(store, "list", limit, after)), expected)
end

-- The checks.

local function methods(store)
  if type(store) ~= "table" and type(store) ~= "userdata" then fault("a store must be a table, got %s", type(store)) end
  for _, name in ipairs { "get", "put", "remove", "due", "list", "durability" } do
    if store[name] == nil then fault("the store has no method '%s'", name) end
  end
  if type(store.is_local) ~= "boolean" then fault("'is_local' must be a boolean, got %s", type(store.is_local)) end
  local text = call(store, "durability")
  if type(text) ~= "string" or text == "" then fault("durability() must give a text, got %s", shown(text)) end
end

local function emptiness(store)
  if #ids_of("list", call(store, "list", 1)) > 0 then
    fault "the store has records: give the check an empty one, since it adds and removes records"
  end
  due(store, 2 ^ 31, 1, {})
end

local function conflicts(store, other)
  local rev_of_b = put(store, "b", nil, "b")
  get(store, "a")
  refused("with a rev, where there is no record", store, "put", "a", rev_of_b, "1", LATER)
  refused("where there is no record", store, "remove", "a", rev_of_b)
  get(store, "a")
  local first = put(store, "a", nil, "1")
  refused("without a rev, over a record", store, "put", "a", nil, "2", LATER)
  local second = put(other, "a", first, "2")
  refused("with the rev before the last", store, "put", "a", first, "3", LATER)
  refused("with the rev before the last", store, "remove", "a", first)
  get(store, "a", "2", second)
  get(other, "a", "2", second)
  remove(other, "a", second)
  get(store, "a")
  refused("with a removed record's rev", store, "put", "a", second, "3", LATER)
  refused("with a removed record's rev", store, "remove", "a", second)
  get(store, "a")
  remove(store, "b", rev_of_b)
end

local ROUNDS = 8

local function revs(store, other)
  local seen = {}
  local function note(rev)
    if seen[rev] then fault("the rev %s is given for a second put of a record", tostring(rev)) end
    seen[rev] = true
    return rev
  end
  for _ = 1, ROUNDS do
    local rev = note(put(store, "a", nil, "same"))
    for _ = 1, 3 do rev = note(put(other, "a", rev, "same")) end
    for old in pairs(seen) do
      if old ~= rev then refused("with an old rev", store, "put", "a", old, "same", LATER) end
    end
    remove(store, "a", rev)
  end
end

local function every_byte()
  local bytes = {}
  for i = 0, 255 do bytes[i + 1] = string.char(i) end
  return table.concat(bytes)
end

local function blobs(store, other)
  local bytes = every_byte()
  local rev
  for _, blob in ipairs { bytes, bytes:reverse(), "\0", "\n", "\r\n", "x\n", " x ", "%s\\n", bytes:rep(512) } do
    rev = put(store, "a", rev, blob)
    get(store, "a", blob, rev)
    get(other, "a", blob, rev)
  end
  remove(store, "a", rev)
end

local function difficult_ids()
  local ids = {}
  for i = 0, 255 do ids[#ids + 1] = string.char(i) end
  for _, id in ipairs { "..", "a/b", "a\0", "a\0b", "a\n", " a", "a ", "%2e", "*?", "Aa", "aa", "aA", "aaa", "1e1", "10", "010" } do
    ids[#ids + 1] = id
  end
  for _, id in ipairs { ("x"):rep(254), ("x"):rep(255), ("x"):rep(254) .. "y", ("\0"):rep(255), ("\255"):rep(255) } do
    ids[#ids + 1] = id
  end
  return ids
end

local function ids(store, other)
  local all, rev_of = difficult_ids(), {}
  for i, id in ipairs(all) do rev_of[id] = put(store, id, nil, "blob " .. i) end
  for i, id in ipairs(all) do get(other, id, "blob " .. i, rev_of[id]) end
  local ordered = contract.page(all, #all)
  list(other, #all + 1, nil, ordered)
  list(other, 3, nil, { ordered[1], ordered[2], ordered[3] })
  for _, at in ipairs { 1, 100, 127, 128, #ordered - 1 } do
    list(store, 2, ordered[at], { ordered[at + 1], ordered[at + 2] })
  end
  list(store, 1, ordered[#ordered], {})
  list(store, 1, "b\0\0", { "c" })
  for _, id in ipairs(all) do remove(other, id, rev_of[id]) end
  list(store, 1, nil, {})
end

local function due_times(store, other)
  local rev_of = {}
  for id, at in pairs { c = 1000, a = 1002, d = 1001.5, e = 2000000000, b = 999 } do rev_of[id] = put(store, id, nil, id, at) end
  due(other, 998, 10, {})
  due(other, 999, 10, { "b" })
  due(store, 1001, 10, { "b", "c" })
  due(store, 1001.75, 10, { "b", "c", "d" })
  due(store, 3000, 10, { "b", "c", "d", "a" })
  due(store, 3000, 2, { "b", "c", "d", "a" })
  due(store, 2000000000, 10, { "b", "c", "d", "a", "e" })
  local old = rev_of.b
  rev_of.b = put(other, "b", old, "b", 1001)
  due(store, 3000, 10, { "c", "b", "d", "a" })
  due(store, 1000, 10, { "c" })
  rev_of.c = put(other, "c", rev_of.c, "c")
  refused("with the rev before the last", store, "put", "b", old, "b", 1)
  refused("without a rev, over a record", store, "put", "a", nil, "a", 1)
  remove(store, "d", rev_of.d)
  due(store, 3000, 10, { "b", "a" })
  due(other, 1000, 10, {})
  rev_of.d = nil
  for id, rev in pairs(rev_of) do remove(store, id, rev) end
  due(store, 2000000001, 10, {})
end

local function changed(why, store, id, rev)
  if call(store, "is_unchanged", id, rev) == true then fault("is_unchanged(%s) is true %s", shown(id), why) end
end

-- `false` may always be returned: the keeper reads the record then.
local function unchanged(store, other)
  if store.is_unchanged == nil then return end
  local first = put(store, "a", nil, "1")
  get(store, "a", "1", first)
  call(store, "is_unchanged", "a", first)
  local second = put(other, "a", first, "2")
  changed("for the rev before the last", store, "a", first)
  get(store, "a", "2", second)
  call(store, "is_unchanged", "a", second)
  remove(other, "a", second)
  changed("for a removed record's rev", store, "a", second)
  changed("where there never was a record", store, "b", second)
end

-- Reads a number. -> a function that puts the number plus 1, and returns 1 if the store
-- carried the put out, else 0: the caller makes other puts before calling it
local function increment(store)
  local blob, rev = call(store, "get", "n")
  if type(blob) ~= "string" or not tonumber(blob) then fault("get('n') gives no number that was put: %s", shown(blob)) end
  return function()
    local done, err = call(store, "put", "n", rev, ("%d"):format(tonumber(blob) + 1), LATER)
    if not done and err ~= "conflict" then fault("put('n') beside another put gives %s, not \"conflict\"", tostring(err)) end
    return done and 1 or 0
  end
end

local INCREMENTS = 20

local function concurrency(store, other)
  local first = put(store, "n", nil, "0")
  local wins = 0
  for _ = 1, INCREMENTS do
    local one, two = increment(store), increment(other)
    local won = one() + two()
    if won ~= 1 then fault("of two puts with the same rev, %d are carried out", won) end
    wins = wins + won
  end
  local blob, rev = call(store, "get", "n")
  if blob ~= tostring(wins) then fault("%d puts were carried out, and %s are in the record", wins, shown(blob)) end
  refused("with the first rev", other, "remove", "n", first)
  remove(store, "n", rev)
end

-- Do two instances of the store share their records? Those of a store in memory do not.
local function shares(store, other)
  local rev = put(store, "shared", nil, "1")
  local is_shared = call(other, "get", "shared") ~= nil
  remove(store, "shared", rev)
  return is_shared
end

local function run(make_store)
  local function make()
    local store, err = make_store()
    if not store then fault("make_store() gives no store: %s", tostring(err)) end
    methods(store)
    return store
  end
  local store, other = make(), make()
  emptiness(store)
  if not shares(store, other) then other = store end
  for _, check in ipairs { conflicts, revs, unchanged, blobs, ids, due_times, concurrency } do
    check(store, other)
    list(store, 1, nil, {})
  end
end

--- Checks the stores that `make_store` returns. Its instances should share one empty set
--- of records, as those of several processes do.
---@param make_store fun(): grid.Store
---@return true? is_good, string? what_is_wrong
return function(make_store)
  if type(make_store) ~= "function" then argument.raise_type(make_store, "grid.store.check: 'make_store' must be a function") end
  local ok, problem = pcall(run, make_store)
  if ok then return true end
  if getmetatable(problem) == Fault then return nil, problem.message end
  return nil, "raised: " .. tostring(problem)
end
