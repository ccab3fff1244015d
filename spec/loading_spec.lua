-- Loading the library does no input or output, reads no environment, sets no global name,
-- and does not initialize libcurl. What an answer may need is read before a request is
-- sent.

local files = require "spec.support.files"
local rig = require "spec.support.rig"
local sandbox = require "spec.support.sandbox"

describe("loading the library", function()
  -- Runs in a process of its own, where nothing is loaded yet.
  local function run(text, environment)
    local output, fine = rig.run(text, environment)
    assert.is_true(fine, output)
    return output
  end

  it("reads no environment, opens no file and prints nothing", function()
    assert.equal("", run [[
      require "cjson"
      local function forbidden(what) return function() error(what .. " was called") end end
      os.getenv, os.execute, os.time = forbidden "os.getenv", forbidden "os.execute", forbidden "os.time"
      io.open, io.popen, io.read, io.write, print =
        forbidden "io.open", forbidden "io.popen", forbidden "io.read", forbidden "io.write", forbidden "print"
      require "grid"]])
  end)

  it("sets no global name, and neither does a call", function()
    assert.equal("", run [[
      setmetatable(_G, { __newindex = function(_, name) error("global set: " .. tostring(name)) end,
        __index = function(_, name) if name ~= "ngx" then error("global read: " .. tostring(name)) end end })
      local grid = require "grid"
      local client = grid.new { api_key = "k", base_url = "http://127.0.0.1:1", retries = 1, environment = "sandbox" }
      local res, err = client:refresh_session { encryption_public_key = "k" }
      assert(res == nil and err.sent == "no")
      client:close()]])
  end)

  it("takes no memory of the C core and opens no file that stays, and neither does grid.new", function()
    assert.equal("0\t0\n", run [[
      local lfs = require "lfs"
      require "cjson"
      local function files()
        local count = 0
        for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
        return count
      end
      local before = files()
      local grid = require "grid"
      local client = grid.new {}
      print(require("grid.core").live(), files() - before)]])
  end)

  it("is done before a request is sent: an answer can be read when the files are away", function()
    local server = sandbox.share()
    assert.equal("network\t2\nauth\t401\n", run([[
      local grid = require "grid"
      local away = grid.new { base_url = "http://127.0.0.1:1", api_key = "k", retries = 1 }
      local here = grid.new { base_url = os.getenv "BASE_URL", api_key = "k" }
      local request = { encryption_public_key = "k" }
      package.path = ""
      local _, err = away:refresh_session(request)
      print(err.kind, err.attempts)
      _, err = here:refresh_session(request)
      print(err.kind, err.status)]], { BASE_URL = server.http }))
  end)

  it("is refused if the file beside core.so is missing, which is named", function()
    local folder, core = files.capture "mktemp -d", package.searchpath("grid.core", package.cpath)
    files.capture(("mkdir '%s/grid' && cp '%s' '%s/grid/core.so'"):format(folder, core, folder))
    local output = run(([[
      package.cpath = %q .. "/?.so"
      print(pcall(require, "grid.core"))]]):format(folder))
    assert.matches("^false\t.*grid%.core: [^\n]*/grid/libgridcore%.so: ", output)
    files.capture(("rm -r '%s'"):format(folder))
  end)

  it("is refused where its C core cannot run", function()
    for _, version in ipairs { "Lua 5.1", "Lua 5.3", "Lua 5.5" } do
      assert.equal(("false\tlua-grid runs on Lua 5.4 and LuaJIT 2.1, not on PUC %s\n"):format(version), run(([[
        _VERSION, jit = "%s", nil
        print(pcall(require, "grid"))]]):format(version)))
    end
  end)

  it("can be done again, and both copies work side by side", function()
    assert.equal("true\tfalse\n", run [[
      local one = require "grid"
      for name in pairs(package.loaded) do
        if name:find "^grid" then package.loaded[name] = nil end
      end
      local two = require "grid"
      local a = one.new { base_url = "http://127.0.0.1:1", api_key = "k", retries = 0 }
      local b = two.new { base_url = "http://127.0.0.1:1", api_key = "k", retries = 0 }
      local _, err = a:request("GET", "/x")
      local _, other = b:request("GET", "/x")
      print(one.is_error(err), err == other)
      a:close()
      b:close()]])
  end)

  it("ends its process well, with a client that was never closed", function()
    run [[
      local grid = require "grid"
      client = grid.new { base_url = "http://127.0.0.1:1", api_key = "k", retries = 0 }
      client:request("GET", "/x")
      grid.refresh_session({ encryption_public_key = "k" }, { base_url = "http://127.0.0.1:1", api_key = "k", retries = 0 })]]
  end)

  -- LuaJIT's state stays open then, and in its memory no leak checker sees who holds
  -- what.
  local LEFT_AS_IT_IS = { ASAN_OPTIONS = "detect_leaks=0" }

  it("ends its process well in the middle of a call", function()
    run([[
      local grid = require "grid"
      local core = require "grid.core"
      local host = { name = "leaving", now = core.now, sleep = function() os.exit(0, true) end }
      if jit then host.sleep = function() os.exit(0) end end
      local client = grid.new { base_url = "http://127.0.0.1:9", api_key = "k", retries = 5, host = host }
      client:request("GET", "/x")]], LEFT_AS_IT_IS)
  end)
end)
