-- The demo, run as users run it. It is a program for Lua 5.4, so LuaJIT has nothing to test here.

if rawget(_G, "jit") then return end

local child = require "spec.support.child"
local json = require "spec.sandbox.json"
local sandbox = require "spec.support.sandbox"
local sha256 = require "spec.demo.sha256"

local DEMO = "exec env " .. child.vm .. " spec/demo/demo.lua"

describe("the demo #slow", function()
  local folder

  before_each(function() folder = child.folder() end)
  after_each(function() folder:remove() end)

  local function run(env)
    env.TMPDIR = env.TMPDIR or folder.path
    return folder:run(DEMO, env, child.root)
  end

  -- The fingerprints before and after in the row of that name.
  local function row(out, name)
    return out:match("\n  " .. name .. " +(%x+) +(%x+)")
  end

  it("fingerprints with SHA-256", function()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256 "")
    assert.equal("41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3", sha256(("a"):rep(1000)))
    for size = 54, 66 do
      local _, out = folder:run(("printf '%%%ds' '' | sha256sum"):format(size))
      assert.equal(out:match "^%x+", sha256((" "):rep(size)))
    end
  end)

  describe("on the sandbox", function()
    local code, out, err

    before_each(function()
      code, out, err = run { GRID_SESSION_FILE = "", GRID_API_KEY = "a-real-key", GRID_BASE_URL = "https://grid.squads.xyz" }
    end)

    it("shows a session before and after its refresh, and what the call cost", function()
      assert.equal("", err)
      assert.equal(0, code)
      for _, name in ipairs { "authorization key", "user token", "access token", "refresh token" } do
        local before, after = row(out, name)
        assert.matches("^%x%x%x%x%x%x%x%x$", before, nil, name)
        assert.matches("^%x%x%x%x%x%x%x%x$", after, nil, name)
        assert.not_equal(before, after, name)
      end
      assert.matches("expires +%d+-%d%d%-%d%d %d%d:%d%d:%d%d UTC +%d+-%d%d%-%d%d %d%d:%d%d:%d%d UTC", out)
      assert.matches("\n +in [23]%d s +in [%dhmin ]+\n", out)
      assert.matches("new key +opened: p256:%x+\n", out)
      assert.matches("status +200", out)
      assert.matches("request id +%x+%-%x+", out)
      assert.matches("tries +1\n", out)
      assert.matches("connection +reused", out)
      assert.matches("time taken +[%d.]+ ms", out)
    end)

    it("prints neither a token nor a colour into a pipe", function()
      assert.is_nil(out:find "eyJ", "the begin of a token")
      assert.is_nil(out:find(("[%w_+/=]"):rep(30)), "a long word")
      assert.is_nil(out:find "a%-real%-key")
      assert.is_nil(out:find "\27")
    end)

    it("leaves no process and no file behind", function()
      local pid = out:match "process (%d+)"
      assert.not_equal(0, (folder:run("kill -0 " .. pid)))
      assert.equal("", folder:list())
    end)
  end)

  describe("on a session file", function()
    local server, payload, env

    setup(function() server = sandbox.start { key_lifetime = 60 } end)
    teardown(function() server:stop() end)

    before_each(function()
      server:reset()
      server:set { key_lifetime = 900, tier = "2" }
      payload = server:sessions()[1].kms_payload_json
      folder:write("session.json", payload)
      env = {
        GRID_SESSION_FILE = folder.path .. "/session.json", GRID_API_KEY = server.api_key,
        GRID_BASE_URL = server.http, GRID_ENVIRONMENT = "sandbox", http_proxy = "",
      }
    end)

    local function privy_of(text)
      return json.decode(text).session.Privy
    end

    local function assert_no_secret(text)
      for _, one in ipairs { payload, folder:read "session.json" } do
        local privy = privy_of(one)
        for _, name in ipairs { "token", "privy_access_token", "refresh_token" } do
          assert.is_nil(text:find(privy[name]:sub(-12), 1, true), name)
        end
      end
      assert.is_nil(text:find(server.api_key, 1, true))
    end

    local function mode(name)
      local _, out = folder:run("stat -c %a " .. name)
      return (out:gsub("%s", ""))
    end

    it("refreshes it once and replaces the file, for its owner only", function()
      local code, out, err = run(env)
      assert.equal("", err)
      assert.equal(0, code)
      local old, new = privy_of(payload), privy_of(folder:read "session.json")
      assert.not_equal(old.refresh_token, new.refresh_token)
      assert.equal(1, server:executions("refresh_token", old.refresh_token))
      assert.equal("600", mode "session.json")
      assert.equal("600", mode "session.json.key")
      assert.equal("session.json\nsession.json.key", folder:list())
      assert.equal("exact", server:last().payload)
      assert.same({ sha256(old.refresh_token):sub(1, 8), sha256(new.refresh_token):sub(1, 8) }, { row(out, "refresh token") })
      assert_no_secret(out)
    end)

    it("says first that the service ends, and when", function()
      local _, out = run(env)
      assert.is_true(out:find("switches this endpoint off on 2026-12-15 11:00 UTC", 1, true) < out:find("before", 1, true))
    end)

    it("keeps its key for the next time", function()
      run(env)
      local key = folder:read "session.json.key"
      assert.equal(0, (run(env)))
      assert.equal(key, folder:read "session.json.key")
    end)

    it("is what `make demo SESSION=file` does", function()
      local file = env.GRID_SESSION_FILE
      env.GRID_SESSION_FILE = nil
      local code, out = folder:run(("unset MAKEFLAGS MFLAGS MAKELEVEL LUA_PATH LUA_CPATH; make demo SESSION=%s"):format(file),
        env, child.root)
      assert.equal(0, code)
      assert.matches("for real", out)
      assert.not_equal(payload, folder:read "session.json")
    end)

    it("leaves the file alone when the service refuses, and says why", function()
      server:fault { kind = "status", status = 410 }
      local code, out, err = run(env)
      assert.equal(1, code)
      assert.matches("^grid: retired error, status 410", err)
      assert.equal(payload, folder:read "session.json")
      assert.equal("session.json\nsession.json.key", folder:list())
      assert_no_secret(out .. err)
    end)

    it("keeps what came of a broken answer", function()
      server:fault { kind = "trailing", execute = true }
      local code, out, err = run(env)
      assert.equal(1, code)
      assert.equal(payload, folder:read "session.json")
      local kept = out:match "answer is in %S+/([^/\n]+)"
      assert.matches('"refresh_token"', folder:read(kept))
      assert.equal("600", mode(kept))
      assert_no_secret(out .. err)
    end)

    it("keeps the refresh token when the answer brings none", function()
      local old = privy_of(payload).refresh_token
      local answer = payload:gsub('"refresh_token":"[^"]*",', "")
      server:fault { kind = "body", body = '{"data":{"kms_payload":' .. answer .. '},"metadata":{}}' }
      assert.equal(0, (run(env)))
      assert.equal(old, privy_of(folder:read "session.json").refresh_token)
    end)

    it("asks for an API key and for a file that can be read", function()
      env.GRID_API_KEY = ""
      local code, _, err = run(env)
      assert.equal(2, code)
      assert.matches("GRID_API_KEY", err)
      env.GRID_API_KEY, env.GRID_SESSION_FILE = "k", folder.path .. "/none.json"
      code, _, err = run(env)
      assert.equal(2, code)
      assert.matches("none.json: No such file", err)
    end)

    it("names a base address that cannot be used", function()
      env.GRID_BASE_URL = "http://example.com"
      local code, _, err = run(env)
      assert.equal(2, code)
      assert.matches("^grid: %$GRID_BASE_URL must be https", err)
    end)
  end)
end)
