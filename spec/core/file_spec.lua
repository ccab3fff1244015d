-- Files of the core: locks, replacement, reading; and changes on a writer's thread.

local core = require "grid.core"
local socket = require "socket"

local child = require "spec.support.child"
local rig = require "spec.support.rig"

local folder

local function path(name) return folder.path .. "/" .. name end

local function content(name)
  local file = io.open(path(name), "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

local function assert_error(code, ok, kind, actual, message)
  assert.is_nil(ok)
  assert.same({ "store", code }, { kind, actual })
  assert.is_string(message)
end

-- What a program of its own prints that knows `core` and `path`; the shell does `before`
-- first.
local function run(body, before)
  folder:write("child.lua", ([[
    local core = require "grid.core"
    local function path(name) return %q .. "/" .. name end
  ]]):format(folder.path) .. body)
  return child.capture(("%s %s %s 2>&1"):format(before or "", child.vm, child.quote(path "child.lua")))
end

local function collect()
  collectgarbage()
  collectgarbage()
end

before_each(function()
  rig.mark()
  folder = child.folder()
end)

after_each(function()
  folder:remove()
  rig.assert_nothing_left()
end)

describe("a file's lock", function()
  before_each(function() folder:write("file", "old") end)

  it("is held by one at a time, until it is closed", function()
    local file = assert(core.file_begin(path "file"))
    assert_error("busy", core.file_begin(path "file"))
    file:close()
    file:close()
    core.file_begin(path "file"):close()
  end)

  it("holds against other processes, and ends with the one that holds it", function()
    local file = assert(core.file_begin(path "file"))
    assert.equal("busy", run "print((select(3, core.file_begin(path 'file'))))")
    file:close()
    assert.equal("true", run "print(core.file_begin(path 'file') ~= nil)")
    core.file_begin(path "file"):close()
  end)

  it("is released by the collector", function()
    assert(core.file_begin(path "file"))
    collect()
    core.file_begin(path "file"):close()
  end)
end)

describe("a file", function()
  it("is replaced and read", function()
    assert.is_true(core.file_begin(path "file"):commit "one\0two")
    assert.equal("one\0two", core.file_read(path "file", 7))
    assert.is_true(core.file_begin(path "file"):commit "")
    assert.equal("", core.file_read(path "file", 7))
  end)

  it("that is larger than the limit is not read", function()
    folder:write("file", "12345")
    assert.equal("12345", core.file_read(path "file", 5))
    assert_error("too_large", core.file_read(path "file", 4))
    assert.has_error(function() core.file_read(path "file", -1) end)
  end)

  it("that is not there is told apart from one that cannot be used", function()
    assert_error("not_found", core.file_read(path "file", 5))
    assert_error("not_read", core.file_read(folder.path, 5))
    assert_error("not_written", core.file_begin(path "nowhere/file"))
    assert_error("not_written", core.file_begin(folder.path))
    assert.equal("cannot replace /dev/null: it is not a regular file", select(4, core.file_begin "/dev/null"))
  end)
end)

describe("a writer", function()
  local writer

  before_each(function()
    writer = assert(core.writer())
    assert(core.folder_make(path "tmp"))
  end)
  after_each(function() writer:close() end)

  -- Submits a write of a new file, or of one that has the text `old`.
  local function replace(name, text, old, by)
    return (by or writer):replace_if(path(name), path "tmp", old, text, 0)
  end

  local function is_readable(seconds)
    local readable = socket.select({ { getfd = function() return writer:fd() end } }, {}, seconds)
    return readable[1] ~= nil
  end

  -- The next result, once the descriptor is readable.
  local function next_finished()
    assert.is_true(is_readable(60))
    return writer:next_finished()
  end

  it("creates and removes files in the order in which that was submitted", function()
    assert.is_false(is_readable(0))
    assert.is_nil(writer:next_finished())
    assert.equal(1, replace("one", "1\0"))
    assert.equal(2, replace("two", "2"))
    assert.equal(3, writer:remove_if(path "one", "1\0"))
    for id = 1, 3 do assert.same({ id, true }, { next_finished() }) end
    assert.is_false(is_readable(0))
    assert.is_nil(writer:next_finished())
    assert.is_nil(content "one")
    assert.equal("2", content "two")
  end)

  it("tells the descriptor's reader of all results, however many it takes at once", function()
    for i = 1, 20 do replace(i, tostring(i)) end
    for i = 1, 20 do assert.equal(i, (next_finished())) end
    assert.is_false(is_readable(0))
    for i = 1, 20 do assert.equal(tostring(i), content(i)) end
  end)

  it("says what failed, and goes on", function()
    replace("nowhere/one", "1")
    replace("tmp", "1", "old")
    replace("one", "1")
    for id, code in ipairs { "not_written", "not_read" } do
      local actual, ok, kind, actual_code, message = next_finished()
      assert.equal(id, actual)
      assert_error(code, ok, kind, actual_code, message)
    end
    assert.same({ 3, true }, { next_finished() })
  end)

  it("compares and swaps, and tells a conflict", function()
    local folder_of_temporaries = path "tmp"
    writer:replace_if(path "one", folder_of_temporaries, nil, "first", 5)
    writer:replace_if(path "one", folder_of_temporaries, nil, "again", 5)
    writer:replace_if(path "one", folder_of_temporaries, "first", "second", 7)
    writer:remove_if(path "one", "first")
    for id, expected in ipairs { true, false, true, false } do assert.same({ id, expected }, { next_finished() }) end
    assert.same({ "second", 7 }, { content "one", core.file_time(path "one") })
    writer:remove_if(path "one", "second")
    assert.same({ 5, true }, { next_finished() })
    assert.is_nil(content "one")
    assert.error_matches(function() writer:remove_if(path "one", "") end, "1 to 256 bytes")
  end)

  it("reserves space for the next write", function()
    writer:replace_if(path "one", path "tmp", nil, "first", 0, false, 5000)
    assert.same({ 1, true }, { next_finished() })
    assert.equal("one.reserve\n", folder:list "tmp" .. "\n")
    replace("one", "second", "first")
    assert.same({ 2, true }, { next_finished() })
    assert.equal("", folder:list "tmp")
    assert.error_matches(function() writer:replace_if(path "one", path "tmp", nil, "x", 0, false, -1) end, "must not be negative")
  end)

  it("leaves the old file where the new one finds no room", function()
    replace("one", "old")
    next_finished()
    local text = run([[
      local writer = core.writer()
      writer:replace_if(path "one", path "tmp", "old", ("x"):rep(100000), 0)
      local id, ok, kind, code, message
      repeat id, ok, kind, code, message = writer:next_finished() until id
      print(ok, kind, code, (message:match ": (.*)"))
    ]], "trap '' XFSZ; ulimit -f 8;")
    assert.equal("nil\tstore\tnot_written\tFile too large", text)
    assert.equal("old", content "one")
    assert.equal("child.lua\none\ntmp", child.capture(("cd %s && ls -A && ls -A tmp"):format(child.quote(folder.path))))
  end)

  it("is its parent's in a forked process", function()
    if not jit then return pending "only LuaJIT can fork without a further library" end
    local text = run([[
      local ffi = require "ffi"
      ffi.cdef "int fork(void); int waitpid(int, int *, int); void _exit(int);"
      local writer = core.writer()
      local function replace(by, name) return by:replace_if(path(name), path "tmp", nil, by == writer and "parent" or "own", 0) end
      replace(writer, "one")
      -- ASan cannot fork while another thread allocates, as a thread does at its start.
      while not core.file_exists(path "one") do end
      local pid = ffi.C.fork()
      if pid == 0 then
        print(writer:is_usable(), writer:next_finished(), (select(3, replace(writer, "two"))))
        writer:close()
        local own = core.writer()
        replace(own, "two")
        own:close()
        io.stdout:flush()
        ffi.C._exit(0)
      end
      ffi.C.waitpid(pid, nil, 0)
      print(writer:is_usable(), replace(writer, "three"))
      writer:close()
    ]])
    assert.equal("false\tnil\tforked\ntrue\t2", text)
    assert.same({ "parent", "own", "parent" }, { content "one", content "two", content "three" })
  end)

  it("finishes what was submitted when it is closed or collected", function()
    for i = 1, 20 do replace(i, tostring(i)) end
    writer:close()
    for i = 1, 20 do assert.equal(tostring(i), content(i)) end
    do
      local second = assert(core.writer())
      for i = 1, 20 do replace(i, "again", tostring(i), second) end
    end
    collect()
    for i = 1, 20 do assert.equal("again", content(i)) end
  end)

  it("cannot be used once it is closed", function()
    assert.is_true(writer:is_usable())
    writer:close()
    writer:close()
    assert.is_false(writer:is_usable())
    for _, use in ipairs { "fd", "next_finished", "replace_if", "remove_if" } do
      assert.has_error(function() writer[use](writer, path "one", "1") end)
    end
  end)

  it("takes strings only", function()
    assert.error_matches(function() writer:replace_if(path "one", path "tmp", nil, {}, 0) end, "string expected")
    assert.error_matches(function() writer:replace_if(nil, path "tmp", nil, "1", 0) end, "string expected")
    assert.error_matches(function() writer:remove_if({}, "1") end, "string expected")
    assert.is_false(is_readable(0))
  end)
end)
