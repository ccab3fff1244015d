-- Misuse of the library's stores: errors that are raised at the caller's line.

local dictionary = require "spec.store.dictionary"
local grid = require "grid"
local rig = require "spec.support.rig"
local shdict = require "grid.store.shdict"

local function assert_arguments(store)
  rig.assert_misuse(function() store:get "" end, "'id' must have 1 to 255 bytes")
  rig.assert_misuse(function() store:put("a") end, "'blob' must be a string, got nil")
  rig.assert_misuse(function() store:remove "a" end, "'rev' must be a string, got nil")
  rig.assert_misuse(function() store:due() end, "'now' must be a number, got nil")
  rig.assert_misuse(function() store:list(0) end, "'limit' must be 1 or more")
end

describe("misuse of a store in a folder or in memory", function()
  for _, name in ipairs { "file", "memory" } do
    it("raises at the caller's line: " .. name, function()
      local store = name == "file" and grid.store.file { directory = "/sessions" } or grid.store.memory()
      local function raises(message, use) rig.assert_misuse(use, message) end
      for _, id in ipairs { "", ("x"):rep(256) } do
        raises("'id' must have 1 to 255 bytes", function() store:get(id) end)
        raises("'id' must have 1 to 255 bytes", function() store:put(id, nil, "1") end)
        raises("'id' must have 1 to 255 bytes", function() store:remove(id, "1") end)
      end
      raises("'id' must be a string, got nil", function() store:get() end)
      raises("'blob' must be a string, got nil", function() store:put("a") end)
      raises("'expected_rev' must be a string or nil, got number", function() store:put("a", 1, "1") end)
      raises("'due_at' must be a number or nil, got string", function() store:put("a", nil, "1", "5") end)
      raises("'due_at' must be a number of seconds", function() store:put("a", nil, "1", 0 / 0) end)
      raises("'rev' must be a string, got nil", function() store:remove "a" end)
      raises("'now' must be a number, got nil", function() store:due() end)
      raises("'limit' must be a number, got nil", function() store:due(1) end)
      raises("'limit' must be 1 or more", function() store:list(0) end)
      raises("'after' must be a string or nil, got number", function() store:list(1, 5) end)
    end)
  end

  it("raises for options that are not there", function()
    rig.assert_misuse(function() grid.store.file {} end, "grid.store.file: field 'directory' is missing")
    rig.assert_misuse(function() grid.store.file { Directory = "/x" } end, "did you mean 'directory'")
    rig.assert_misuse(function() grid.store.file { directory = "" } end, "'directory' must be")
    rig.assert_misuse(function() grid.store.memory { size = 1 } end, "unknown field 'size'")
  end)
end)

describe("misuse of a store in a shared dictionary", function()
  it("raises for options that are not there", function()
    rig.assert_misuse(function() grid.store.shdict {} end, "grid.store.shdict: field 'dict' is missing")
    rig.assert_misuse(function() grid.store.shdict { dictionary = "x" } end, "unknown field 'dictionary'; its fields are dict")
  end)

  it("raises where there is no such dictionary", function()
    local ngx = rawget(_G, "ngx")
    rig.assert_misuse(function() grid.store.shdict { dict = "sessions" } end,
      ngx and "add 'lua_shared_dict sessions 10m;'" or "works inside nginx only")
  end)

  it("raises for arguments that no store takes", function()
    assert_arguments(shdict.over(dictionary.new(), "sessions"))
  end)
end)

describe("misuse of a store in Redis", function()
  it("raises for options that are not there", function()
    local function connect() end
    rig.assert_misuse(function() grid.store.redis {} end, "grid.store.redis: field 'connect' is missing")
    rig.assert_misuse(function() grid.store.redis { connect = connect, Release = connect } end, "did you mean 'release'")
    rig.assert_misuse(function() grid.store.redis { connect = connect, prefix = "" } end, "'prefix' must be")
    rig.assert_misuse(function() grid.store.redis { connect = connect, prefix = "a{b}" } end, "must be a string without braces")
  end)

  it("raises for arguments that no store takes", function()
    assert_arguments(grid.store.redis { connect = function() end })
  end)
end)
