-- Folders in grid.core, the modification times of their files, and compare-and-set of
-- files.

local core = require "grid.core"

local child = require "spec.support.child"
local rig = require "spec.support.rig"

local folder

local function path(name) return folder.path .. "/" .. name end

local function assert_error(code, ok, kind, actual, message)
  assert.is_nil(ok)
  assert.same({ "store", code }, { kind, actual })
  assert.is_string(message)
end

before_each(function()
  rig.mark()
  folder = child.folder()
  assert.is_true(core.folder_make(path "tmp"))
end)

after_each(function()
  folder:remove()
  rig.assert_nothing_left()
end)

describe("a compare-and-set", function()
  local function put(expected, text, modified)
    return core.file_replace_if(path "file", path "tmp", expected, text, modified or 0)
  end

  it("creates, replaces and removes a file that is as expected, and no other", function()
    assert.is_false(put("one\n", "two\n"))
    assert.is_true(put(nil, "one\n\0first"))
    assert.is_false(put(nil, "other"))
    assert.is_false(put("two\n", "two\n"))
    assert.is_true(put("one\n", "two\nsecond"))
    assert.equal("two\nsecond", core.file_read(path "file", 100))
    assert.is_false(core.file_remove_if(path "file", "one\n"))
    assert.is_true(core.file_remove_if(path "file", "two\n"))
    assert.is_false(core.file_remove_if(path "file", "two\n"))
    assert.is_false(core.file_exists(path "file"))
  end)

  it("gives the file its time", function()
    put(nil, "one", 1234567890.25)
    assert.equal(1234567890.25, core.file_time(path "file"))
    put("one", "two", -1)
    assert.equal(0, core.file_time(path "file"))
    put("two", "three", math.huge)
    assert.is_true(core.file_time(path "file") >= 2 ^ 31 - 1)
  end)

  it("gives the file another stamp", function()
    put(nil, "one", 5)
    local stamp, time = core.file_stamp(path "file")
    assert.equal(stamp, core.file_stamp(path "file"))
    assert.is_true(math.abs(time - os.time()) < 100)
    put("one", "two", 5)
    assert.not_equal(stamp, core.file_stamp(path "file"))
    assert_error("not_read", core.file_stamp(path "nowhere"))
  end)

  it("says why it cannot be done", function()
    assert_error("not_written", core.file_replace_if(path "nowhere/file", path "nowhere", nil, "x", 0))
    assert_error("not_written", core.file_replace_if(path "nowhere/file", path "tmp", nil, "x", 0))
    assert_error("not_read", core.file_replace_if(folder.path, path "tmp", "x", "x", 0))
    assert_error("not_read", core.file_remove_if(folder.path, "x"))
    assert.equal("", folder:list "tmp")
  end)

  it("takes a beginning of 1 to 256 bytes", function()
    for _, expected in ipairs { "", ("x"):rep(257) } do
      assert.has_error(function() put(expected, "x") end)
      assert.has_error(function() core.file_remove_if(path "file", expected) end)
    end
    assert.has_error(function() core.file_remove_if(path "file") end)
    put(nil, ("x"):rep(256))
    assert.is_false(put(("x"):rep(255) .. "y", "x"))
    assert.is_true(put(("x"):rep(256), "x"))
  end)
end)

describe("the files of a folder", function()
  it("are told apart by the time of their modification", function()
    for name, time in pairs { a = 5, b = 6.5, c = 7, d = 9 } do
      core.file_replace_if(path(name), path "tmp", nil, name, time)
    end
    local folder_time = core.file_time(folder.path)
    local function modified(until_time)
      local names, times, next_time, time = core.files_modified(folder.path, until_time)
      local found = {}
      for i, name in ipairs(names) do found[name] = times[i] end
      assert.equal(folder_time, time)
      return found, next_time
    end
    assert.same({ {}, 5 }, { modified(4) })
    assert.same({ { a = 5, b = 6.5 }, 7 }, { modified(6.5) })
    assert.same({ { a = 5, b = 6.5, c = 7, d = 9 } }, { modified(9) }) -- not the folder "tmp"
  end)

  it("cannot be listed where there is no folder", function()
    assert_error("not_read", core.files_modified(path "nowhere", 0))
    assert_error("not_read", core.file_time(path "nowhere"))
  end)
end)

describe("a folder", function()
  it("is made for its owner alone", function()
    assert.is_true(core.folder_make(path "tmp"))
    assert.is_true(core.folder_sync(folder.path))
    assert.is_true(core.folder_check(path "tmp"))
    assert.matches("^drwx%-%-%-%-%-%-", child.capture("ls -ld " .. child.quote(path "tmp")))
    assert_error("not_made", core.folder_make(path "nowhere/at/all"))
    assert_error("not_durable", core.folder_sync(path "nowhere"))
  end)

  it("has the same place by each of its paths, also before it is made", function()
    folder:run "ln -s tmp link && ln -s nowhere/folder dangling && ln -s loop loop"
    for _, paths in ipairs {
      { "tmp", "/tmp//", "./tmp/.", "tmp/../tmp", "link", "link/../link/" },
      { "new", "new/", "/new", "tmp/../new", "link/../new", "new/." },
      { "nowhere/folder", "dangling", "dangling/.", "nowhere//./folder" },
      { "link/new/more", "tmp/new//more" },
      { "loop" },
      { "file" },
    } do
      local expected = core.folder_place(path(paths[1]))
      for _, name in ipairs(paths) do assert.equal(expected, core.folder_place(path(name)), name) end
      for _, other in ipairs { "tmp/file", "tmp/new/file", "more", "", "dangling/file" } do
        assert.not_equal(expected, core.folder_place(path(other)), other)
      end
    end
    assert.equal(core.folder_place "/", core.folder_place "//..")
    assert.equal(core.folder_place "/new", core.folder_place(("../"):rep(50) .. "new"))
    assert_error("not_read", core.folder_place("/" .. ("x/"):rep(3000)))
  end)

  it("that others can write to is refused", function()
    for _, mode in ipairs { "g+w", "o+w" } do
      folder:run("chmod 700 tmp && chmod " .. mode .. " tmp")
      assert_error("not_private", core.folder_check(path "tmp"))
    end
    assert_error("not_found", core.folder_check(path "nowhere"))
    folder:write("file", "")
    assert_error("not_read", core.folder_check(path "file"))
  end)
end)
