-- The store in a folder, in one process. What several processes and the disk do to the
-- store is in file_processes_spec.lua.
-- Does not know: the keeper.

local check = require "grid.store.check"
local core = require "grid.core"
local due_times = require "spec.store.due_times"
local grid = require "grid"
local rig = require "spec.support.rig"

local child = require "spec.support.child"

local folder, directory

local function open() return grid.store.file { directory = directory } end

-- The paths of the records' files.
local function files()
  local paths = {}
  for path in child.capture("find " .. child.quote(directory) .. " -type f -path '*/??/*' | sort"):gmatch "[^\n]+" do
    paths[#paths + 1] = path
  end
  return paths
end

local function assert_error(code, ok, err)
  assert.is_nil(ok)
  assert.is_true(grid.is_error(err, "store"), tostring(err))
  assert.equal(code, err.code)
end

before_each(function()
  rig.mark()
  folder = child.folder "large"
  directory = folder.path .. "/sessions"
end)

after_each(function()
  folder:remove()
  rig.assert_nothing_left()
end)

describe("a store in a folder", function()
  it("keeps the contract of stores", function()
    assert.same({ true }, { check(open) })
    due_times(open())
    assert.same({}, files())
    assert.equal("", folder:list "sessions/tmp")
  end)

  it("makes its folder at the first put", function()
    local store = open()
    assert.is_nil(store:get "a")
    assert.same({ {}, {} }, { store:due(2 ^ 31, 10), store:list(10) })
    assert.same({ nil, "conflict" }, { store:remove("a", "1-0") })
    assert.equal("", folder:list())
    assert(store:put("a", nil, "1"))
    assert.matches("^drwx%-%-%-%-%-%-", child.capture("ls -ld " .. child.quote(directory)))
    assert.equal("", child.capture("find " .. child.quote(directory) .. " -type d ! -perm 700 -o -type f ! -perm 600"))
  end)

  it("completes a folder whose making was broken off", function()
    folder:run "mkdir -m 700 sessions sessions/00 sessions/fe"
    assert.same({ {}, {} }, { open():due(2 ^ 31, 10), open():list(10) })
    for i = 1, 20 do assert(open():put("id " .. i, nil, "1")) end
    assert.equal(20, #open():list(100))
  end)

  it("gives a conflict for a rev of another store, however long its number is", function()
    local store = open()
    assert(store:put("a", nil, "1"))
    for _, rev in ipairs { "1", "1-x", "-ab", ("9"):rep(20) .. "-ab", ("9"):rep(60) .. "-ab", ("1-a"):rep(30) } do
      assert.same({ nil, "conflict" }, { store:put("a", rev, "2") })
      assert.same({ nil, "conflict" }, { store:remove("a", rev) })
    end
  end)

  it("makes again what was removed in its folder, after a put that fails", function()
    local store = open()
    local rev = assert(store:put("a", nil, "1"))
    folder:run "rmdir sessions/tmp"
    assert_error("not_written", store:put("a", rev, "2"))
    rev = assert(store:put("a", rev, "2"))
    folder:run "rm -r sessions"
    assert.same({ nil, "conflict" }, { open():put("a", rev, "3") })
    assert(store:put("a", nil, "3"))
  end)

  it("takes a folder that is gone or empty for a failure, since a file system may have been unmounted", function()
    local writer, reader = open(), open()
    local rev = assert(writer:put("a", nil, "1", 5))
    assert.equal("1", reader:get "a")
    for _, empty in ipairs { "true", "mkdir -m 700 sessions" } do
      folder:run("mv sessions away && " .. empty)
      for _, store in ipairs { writer, reader } do
        assert_error("folder_gone", store:get "a")
        assert_error("folder_gone", store:due(10, 10))
        assert_error("folder_gone", store:list(10))
        for _, expected in ipairs { rev, false } do assert_error("folder_gone", store:put("a", expected or nil, "2")) end
      end
      assert.is_false(core.file_exists(directory .. "/tmp"))
      folder:run "rm -rf sessions && mv away sessions"
    end
    for _, store in ipairs { writer, reader } do
      assert.same({ "1", rev }, { store:get "a" })
      assert.same({ { "a" }, { "a" } }, { store:due(10, 10), store:list(10) })
    end
    assert.is_true(writer:remove("a", rev))
  end)

  it("removes what killed writers have left at its first put, and after a minute", function()
    local store, now = open(), core.now
    local rev = assert(store:put("a", nil, "1"))
    folder:write("sessions/tmp/left", "")
    rev = assert(store:put("a", rev, "2"))
    assert.equal("left", folder:list "sessions/tmp")
    core.now = function() return now() + 61 end -- luacheck: ignore 122
    rev = assert(store:put("a", rev, "3"))
    core.now = now -- luacheck: ignore 122
    assert.equal("", folder:list "sessions/tmp")
    folder:write("sessions/tmp/left", "")
    assert(open():put("a", rev, "4"))
    assert.equal("", folder:list "sessions/tmp")
  end)

  it("tells without opening the file that a record is unchanged", function()
    local store, other, time = open(), open(), os.time
    local rev = assert(store:put("a", nil, "1", 5))
    assert.is_false(store:is_unchanged("a", rev))
    store:get "a"
    assert.is_false(store:is_unchanged("a", rev)) -- another change might have the same time
    os.time = function() return time() + 10 end -- luacheck: ignore 122
    local answers, read = {}, core.file_read
    for i = 1, 3 do
      answers[i] = store:is_unchanged("a", rev)
      if i == 1 then
        store:get "a"
        core.file_read = function() error "the file is read" end -- luacheck: ignore 122
      end
    end
    core.file_read = read -- luacheck: ignore 122
    local new = assert(other:put("a", rev, "2", 5))
    for i, case in ipairs { rev, new } do answers[3 + i] = store:is_unchanged("a", case) end
    store:get "a"
    for i, case in ipairs { rev, new } do answers[5 + i] = store:is_unchanged("a", case) end
    assert(other:remove("a", new))
    answers[8] = store:is_unchanged("a", new)
    os.time = time -- luacheck: ignore 122
    assert.same({ false, true, true, false, false, false, true, false }, answers)
  end)

  it("has no stamp in memory that was not asked for in the last hour, once it has many", function()
    local store, time, now = open(), os.time, core.now
    local rev = assert(store:put("a", nil, "1"))
    os.time = function() return time() + 10 end -- luacheck: ignore 122
    local stamp = core.file_stamp
    core.file_stamp = function() return "the stamp", time() end -- luacheck: ignore 122
    for i = 1, 1000 do store:is_unchanged("id" .. i, rev) end
    core.now = function() return now() + 3601 end -- luacheck: ignore 122
    store:is_unchanged("id1", rev)
    store:is_unchanged("a", rev)
    core.file_stamp, core.now, os.time = stamp, now, time -- luacheck: ignore 122
    local ids = {}
    for id in pairs(store.stamps) do ids[#ids + 1] = id end
    table.sort(ids)
    assert.same({ "a", "id1" }, ids)
  end)

  it("finds its folder however the path is written", function()
    assert(open():put("a", nil, "1"))
    for _, path in ipairs { directory .. "/", directory .. "//", folder.path .. "/./sessions" } do
      assert.equal("1", (grid.store.file { directory = path }:get "a"))
    end
  end)

  it("names no file by its id, and says the id in its header", function()
    assert(open():put("../x\n", nil, "secret"))
    assert.equal(1, #files())
    assert.matches("^" .. directory:gsub("%-", "%%-") .. "/(%x%x)/%1%x+$", files()[1])
    assert.matches("\n../x\n\nsecret$", core.file_read(files()[1], 1000))
  end)

  it("refuses a folder that others can write to", function()
    assert(open():put("a", nil, "1", 5))
    for _, mode in ipairs { "g+w", "o+w" } do
      folder:run("chmod 700 sessions; chmod " .. mode .. " sessions")
      local store = open()
      assert_error("not_private", store:get "a")
      assert_error("not_private", store:put("b", nil, "1"))
      assert_error("not_private", store:remove("a", "1-0"))
      assert_error("not_private", store:due(10, 10))
      assert_error("not_private", store:list(10))
    end
    folder:run "chmod 755 sessions"
    assert.equal("1", (open():get "a"))
  end)

  it("says why its folder cannot be used", function()
    directory = folder.path .. "/nowhere/at/all"
    assert.is_nil(open():get "a")
    assert_error("not_made", open():put("a", nil, "1"))
    folder:write("file", "")
    directory = folder.path .. "/file"
    assert_error("not_read", open():get "a")
    assert_error("not_read", open():put("a", nil, "1"))
  end)

  -- Runs the Lua code on `store`, without the right of root to open any file.
  local function run_without_root(prepare, code)
    folder:write("ask.lua", 'local store = require("grid").store.file { directory = "sessions" }\n' .. code)
    local _, told, problem = folder:run(prepare
      .. '\nif [ "$(id -u)" = 0 ]; then as="setpriv --bounding-set -dac_override,-dac_read_search"; fi\n'
      .. "$as env " .. child.vm .. " ask.lua; chmod 700 sessions sessions/tmp")
    assert.equal("", problem)
    return told
  end

  it("tells that it may not look into its folder, as of one that has records", function()
    assert(open():put("a", nil, "1", 1))
    assert.equal("not_read\tcannot read sessions/tmp: Permission denied\n"
      .. "not_read\tcannot read sessions/tmp: Permission denied\n"
      .. "not_made\tcannot make the folder sessions/00: Permission denied\n", run_without_root("chmod 0 sessions", [[
      for _, err in ipairs { select(2, store:list(10)), select(2, store:due(2 ^ 31, 10)), select(2, store:put("b", nil, "1")) } do
        print(err.code, err.message)
      end]]))
  end)

  it("tells that it may not read a record, in list, and in due if it finds no other", function()
    local store = open()
    assert(store:put("a", nil, "1", 1))
    local path = files()[1]
    assert(store:put("b", nil, "2", 2))
    local refused = ("not_read\tcannot read %s: Permission denied\n"):format(path:sub(#folder.path + 2))
    assert.equal(refused .. "b\n" .. refused, run_without_root("chmod 0 " .. path, [[
      local function tell(_, err) print(err.code, err.message) end
      tell(store:list(10))
      print(table.concat(store:due(2 ^ 31, 10), " "))
      assert(store:remove("b", select(2, store:get "b")))
      tell(store:due(2 ^ 31, 10))]]))
  end)

  it("replaces a reserve that it may not write, as after a process of root", function()
    assert(open():put("a", nil, "1", 1, true))
    assert.equal("3\n", run_without_root("chmod 0 sessions/tmp/*.reserve", [[
      local rev = assert(store:put("a", select(2, store:get "a"), "2", 1, true))
      assert(store:put("a", rev, "3", 1))
      print((store:get "a"))]]))
    assert.equal("", folder:list "sessions/tmp")
  end)

  it("names the cause if it may not write into its folder", function()
    assert(open():put("a", nil, "1", 1))
    assert.equal("not_written\tcannot write in sessions/tmp: Permission denied\n", run_without_root("chmod 500 sessions/tmp", [[
      local _, err = store:put("b", nil, "1")
      print(err.code, err.message)]]))
  end)

  it("keeps apart what is not a whole record", function()
    local store = open()
    local rev = assert(store:put("a", nil, ("x"):rep(100), 5))
    assert(store:put("b", nil, "1", 6))
    local whole, path
    for _, candidate in ipairs(files()) do
      local text = core.file_read(candidate, 1000)
      if text:find("\na\n", 1, true) then whole, path = text, candidate end
    end
    local broken = { "", "x", whole:sub(1, -2), whole .. "x", whole:sub(1, 60), ("\0"):rep(#whole), (whole:gsub("\na\n", "\nc\n")) }
    for i, text in ipairs(broken) do
      folder:write(path:sub(#folder.path + 2), text)
      assert_error("record_corrupt", store:get "a")
      assert.is_truthy(select(2, store:get "a").message:find(path, 1, true))
      assert.same({ "b" }, store:due(10, 10), i)
      assert.same({ "b" }, open():list(10))
      assert.same({ nil, "conflict" }, { store:put("a", nil, "2") })
    end
    folder:write(path:sub(#folder.path + 2), whole)
    assert.same({ ("x"):rep(100), rev }, { store:get "a" })
  end)

  it("lists records that are due at some time, in whichever order their folder names its entries", function()
    local store, ids = open(), {}
    assert(store:prepare())
    folder:run "for bucket in sessions/??; do touch $bucket/older; done"
    for i = 1, 50 do
      ids[i] = ("a%02d"):format(i)
      assert(store:put(ids[i], nil, "1", i))
    end
    assert.same(ids, store:list(100))
    assert.same(ids, open():list(100))
    assert.same(ids, store:due(100, 100))
  end)

  it("passes over files that are not its own", function()
    local store = open()
    assert(store:put("a", nil, "1", 5))
    folder:run "touch -d @3 sessions/README sessions/00/README sessions/00/0 && mkdir -p sessions/00/more/more sessions/other"
    assert.same({ "a" }, store:due(10, 10))
    assert.same({ "a" }, store:list(10))
    folder:run "ls sessions/README sessions/00/README sessions/00/0"
  end)

  it("finds what is due after the files were copied without their times", function()
    local store = open()
    local now = os.time()
    assert(store:put("past", nil, "1", now - 1))
    assert(store:put("future", nil, "1", now + 10000))
    assert(store:put("never", nil, "1"))
    folder:run "cp -r sessions copy && rm -r sessions && mv copy sessions && chmod -R go-w sessions"
    assert.same({ "past" }, open():due(now + 1000, 10))
    assert.same({ "past", "future" }, open():due(now + 10000, 10))
  end)

  it("sees at once what another instance has changed since a scan with nothing due", function()
    local store, other = open(), open()
    local rev = assert(store:put("a", nil, "1", 5000000000))
    folder:run "touch -d '-1 hour' sessions/??" -- as if that was long ago
    for _ = 1, 2 do assert.same({}, store:due(1000, 10)) end
    rev = assert(other:put("a", rev, "1", 1000))
    assert.same({ "a" }, store:due(1000, 10))
    folder:run "touch -d '-1 hour' sessions/??"
    rev = assert(other:put("a", rev, "1", 2000))
    assert.same({}, store:due(1999, 10))
    assert.same({ "a" }, store:due(2000, 10))
    assert.is_true(other:remove("a", rev))
    assert.same({}, store:due(2000, 10))
  end)

  it("does not open or list a folder again that has not changed, until a record is due", function()
    local store = open()
    for i = 1, 50 do assert(store:put("id " .. i, nil, "1", 5000 + i)) end
    folder:run "touch -d '-1 hour' sessions/??"
    store:due(1000, 10)
    local count, list = 0, core.files_modified
    core.files_modified = function(...) -- luacheck: ignore 122
      count = count + 1
      return list(...)
    end
    store:due(1000, 10)
    local after_quiet = count
    local found = store:due(5001, 10)
    core.files_modified = list -- luacheck: ignore 122
    assert.equal(0, after_quiet)
    assert.same({ "id 1" }, found)
    assert.equal(1, count)
  end)

  it("keeps numbers whatever the locale", function()
    local store = open()
    assert(store:put("a", nil, "1", 1700000000.5))
    local text = core.file_read(files()[1], 1000)
    assert.matches("\n1700000000500000 1 1\n", text)
    assert.same({}, store:due(1700000000.25, 10))
    assert.same({ "a" }, store:due(1700000000.5, 10))
  end)

  it("takes due times at the ends", function()
    local store = open()
    assert(store:put("past", nil, "1", -5))
    assert(store:put("future", nil, "1", math.huge))
    assert.same({ "past" }, store:due(0, 10))
    assert.same({ "past", "future" }, store:due(2 ^ 32, 10))
  end)

  it("has a limit for the size of a record", function()
    local store = open()
    assert_error("too_large", store:put("a", nil, ("x"):rep(2 ^ 24 + 1)))
    local rev = assert(store:put(("a"):rep(255), nil, ("x"):rep(2 ^ 24)))
    assert.is_true(store:remove(("a"):rep(255), rev))
  end)

  it("tells what it is", function()
    assert.is_true(open().is_local)
    assert.matches("disk", open():durability())
  end)
end)

describe("the order of ids", function()
  it("is that of bytes in every locale", function()
    local contract = require "grid.store.contract"
    local ids = { "b", "B", "a", "Z", "\228", "a\0", "_", "ab", "10", "9" }
    local setlocale = os.setlocale
    for _, locale in ipairs { "C", "de_DE.UTF-8" } do -- which is seldom installed
      os.setlocale = function() return locale end -- luacheck: ignore 122
      local page = contract.page(ids, 100)
      os.setlocale = setlocale -- luacheck: ignore 122
      assert.same({ "10", "9", "B", "Z", "_", "a", "a\0", "ab", "b", "\228" }, page)
    end
  end)
end)
