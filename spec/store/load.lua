-- Operations of one worker on a few records that other workers change, too, and the
-- history of them as a file: a line before and a line after each operation, so that a
-- killed worker leaves what it has begun. `history` makes operations of spec.store.linear
-- of such files.
-- Does not know: stores.

local child = require "spec.support.child"
local core = require "grid.core"
local files = require "spec.support.files"

local load = {}

local IDS = { "a", "b" }

-- Each line is one write: io.write collects what is written until it is flushed.
local function note(file, ...)
  file:write(table.concat({ ... }, " "), "\n")
  file:flush()
end

local function moment()
  return ("%.0f"):format(core.boottime() * 1e6)
end

local function choose(list)
  return list[math.random(#list)]
end

-- -> result, blob, rev
local function carry_out(store, method, id, expected, blob)
  local ok, first, second
  if method == "get" then
    ok, first, second = pcall(store.get, store, id)
    if not ok or not first and second ~= nil then return "unknown", nil, nil, first or second end
    return "done", first, second
  elseif method == "put" then
    ok, first, second = pcall(store.put, store, id, expected, blob, math.random(1000))
  else
    ok, first, second = pcall(store.remove, store, id, expected)
  end
  if ok and first then return "done", blob, method == "put" and first or nil end
  if ok and second == "conflict" then return "conflict", blob end
  return "unknown", blob, nil, ok and second or first
end

--- So many operations, or fewer if `is_over()`. `name`: of the worker, one word.
--- -> number of errors, an error
function load.run(store, path, name, count, is_over)
  local file, revs, errors, problem = assert(io.open(path, "a")), {}, 0, nil
  local began = moment()
  math.randomseed(tonumber(began) % 2 ^ 30 + core.pid())
  for i = 1, count do
    if is_over and is_over() then break end
    local id = choose(IDS)
    local method = choose { "get", "put", "put", "put", revs[id] and "remove" or "get" }
    local blob = method == "put" and ("%s.%d.%s.%d"):format(name, core.pid(), began, i) or nil
    note(file, "begin", moment(), id, method, method ~= "get" and revs[id] or "-", blob or "-")
    local result, seen, rev, err = carry_out(store, method, id, revs[id], blob)
    note(file, "end", moment(), result, seen or "-", rev or "-")
    if err then errors, problem = errors + 1, err end
    revs[id] = rev
  end
  file:close()
  return errors, problem
end

local function value(word)
  return word ~= "-" and word or nil
end

-- The operations of a file's text, appended to `operations`. The last line of a process
-- that was killed may not be whole: then its operation has not begun, or not ended.
local function read(text, operations)
  local operation
  for line in text:gmatch "([^\n]+)\n" do
    local kind, at, rest = line:match "^(%a+) (%d+) (.*)$"
    if kind == "begin" then
      local id, method, expected, blob = rest:match "^(%S+) (%S+) (%S+) (%S+)$"
      operation = { id = id, method = method, expected = value(expected), blob = value(blob), result = "unknown",
        begin_at = tonumber(at) }
      operations[#operations + 1] = operation
    elseif kind == "end" then
      local result, blob, rev = rest:match "^(%S+) (%S+) (%S+)$"
      operation.result, operation.end_at, operation.rev = result, tonumber(at), value(rev)
      if operation.method == "get" then operation.blob = value(blob) end
    end
  end
end

--- The operations of all files "history.*" in a folder, and the number of the files.
function load.history(folder)
  local operations, count = {}, 0
  for path in child.capture(("ls %s/history.*"):format(child.quote(folder))):gmatch "[^\n]+" do
    read(files.read(path), operations)
    count = count + 1
  end
  return operations, count
end

return load
