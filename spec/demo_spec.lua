-- Runs the demo as users do. The demo is a program for Lua 5.4, so LuaJIT has nothing to
-- test here.

if rawget(_G, "jit") then return end

local child = require "spec.support.child"
local core = require "grid.core"
local harness = require "spec.command.harness"

local DEMO = "exec env " .. child.vm .. " spec/demo/demo.lua"

describe("the demo #slow", function()
  -- The fingerprints before and after in the row of that name, and whether they are new.
  local function row(out, name)
    return out:match("\n" .. name .. " +(%l%w+:%x+) +(%l%w+:%x+) +(%l[%l ]+)\n")
  end

  describe("on the sandbox", function()
    local folder, code, out, err

    before_each(function()
      folder = child.folder()
      code, out, err = folder:run(DEMO, {
        GRID_SESSION_FILE = "", GRID_API_KEY = "a-real-key", GRID_BASE_URL = "https://grid.squads.xyz", TMPDIR = folder.path,
      }, child.root)
    end)
    after_each(function() folder:remove() end)

    it("shows a session before and after its refresh, and what names the request", function()
      assert.same({ 0, "" }, { code, err })
      for _, name in ipairs { "authorization key", "user token", "access token", "refresh token" } do
        local before, after, note = row(out, name)
        assert.not_equal(before, after, name)
        assert.equal("new", note)
      end
      assert.matches("authorization key +p256:%x+ +p256:%x+", out)
      local moment = "%d+%-%d%d%-%d%d %d%d:%d%d:%d%d UTC, in "
      assert.matches(("  expires +%s[^ ]+ [^ ]+ +%s[^ ]+ [^ ]+\n"):format(moment, moment), out)
      assert.matches("\nrequest id +%x+%-[%x-]+\n", out)
      assert.matches("\nstatus, attempts +200, 1\n", out)
    end)

    it("prints no token", function()
      assert.is_nil(out:find "eyJ", "the begin of a token")
      assert.is_nil(out:gsub("/%S+", ""):find(("[%w_+/=]"):rep(30)), "a long word")
      assert.is_nil(out:find "a%-real%-key")
    end)

    it("leaves no process and no file behind", function()
      assert.not_equal(0, (folder:run("kill -0 " .. out:match "process (%d+)")))
      assert.equal("", folder:list())
    end)
  end)

  describe("on a session file", function()
    local run

    setup(function() run = harness.start() end)
    teardown(function() run:stop() end)
    before_each(function()
      run:clear()
      run.server:set { tier = 2 }
    end)

    -- GRID_BASE_URL, GRID_ENVIRONMENT and GRID_CA_FILE are the harness's.
    local function demo(name, env)
      env = run:env(env)
      env.GRID_SESSION_FILE = run.folder.path .. "/" .. name
      return run.folder:run(DEMO, env, child.root)
    end

    local function payload(name)
      local file = run:json(name)
      return file.kms_payload or file
    end

    local function assert_silent(files, ...)
      local said = table.concat({ ... }, "\n")
      for _, file in ipairs(files) do
        for _, secret in ipairs(harness.secrets(file)) do
          assert.is_nil(said:find(secret:sub(-16), 1, true), "a secret was printed")
        end
      end
    end

    it("refreshes what `grid login` wrote, once, and leaves a session file", function()
      assert.equal(0, (run:login "s.json"))
      local before = run:json "s.json"
      local code, out, err = demo "s.json"
      assert.same({ 0, "" }, { code, err })
      local after = run:json "s.json"
      assert.same({ before.address, before.private_key }, { after.address, after.private_key })
      local old, new = before.kms_payload.session.Privy.refresh_token, after.kms_payload.session.Privy.refresh_token
      assert.equal(1, run.server:executions("refresh_token", old))
      assert.equal("exact", run.server:last().payload)
      assert.same({ core.fingerprint(old), core.fingerprint(new), "new" }, { row(out, "refresh token") })
      assert.equal("600", run:mode "s.json")
      assert.equal("s.json\ntmp", run.folder:list())
      assert_silent({ before, after }, out, err)
    end)

    it("never sends the private key", function()
      run:login "s.json"
      run:write_session("bare.json", true)
      local sent = run.server:stats().requests
      assert.equal(0, (demo "s.json"))
      assert.equal(0, (demo("bare.json", { GRID_KEY_FILE = run.folder.path .. "/bare.json.key" })))
      assert.equal(sent + 2, run.server:stats().requests)
      local keys = { run:json "s.json".private_key, (run.folder:read "bare.json.key") }
      for _, request in ipairs(run.server:control("GET", "/requests")) do
        local text = request.path .. (request.body or "")
        for name, value in pairs(request.headers) do text = text .. "\n" .. name .. ": " .. tostring(value) end
        assert.is_nil(text:find("private_key", 1, true))
        -- Both begin alike; what is secret begins after the 36 bytes of algorithm and
        -- version.
        for _, key in ipairs(keys) do assert.is_nil(text:find(key:sub(49, 80), 1, true)) end
      end
    end)

    it("takes a bare kms_payload with its key in another file, and leaves it bare", function()
      run:write_session("bare.json", true)
      local before = run:json "bare.json"
      local code, out, err = demo("bare.json", { GRID_KEY_FILE = run.folder.path .. "/bare.json.key" })
      assert.same({ 0, "" }, { code, err })
      assert.matches("authorization key +p256:%x+ +p256:%x+", out)
      local after = run:json "bare.json"
      assert.same({ "privy" }, { after.provider, after.private_key })
      assert.not_equal(before.session.Privy.refresh_token, after.session.Privy.refresh_token)
      assert.equal("bare.json\nbare.json.key\ntmp", run.folder:list())
    end)

    it("refuses a bare kms_payload without a key, makes none, and sends nothing", function()
      run:write_session("bare.json", true)
      local text = run.folder:read "bare.json"
      local code, _, err = demo "bare.json"
      assert.equal(2, code)
      assert.matches("^grid: [^\n]+/bare.json holds no private key: .*KEY=file", err)
      assert.same({ 0, text }, { run.server:stats().requests, run.folder:read "bare.json" })
      assert.equal("bare.json\nbare.json.key\ntmp", run.folder:list())
    end)

    it("is what `make demo SESSION=file` and `make demo SESSION=file KEY=file` do", function()
      run:write_session "s.json"
      run:write_session("bare.json", true)
      for _, words in ipairs { 'SESSION="$DIR/s.json"', 'SESSION="$DIR/bare.json" KEY="$DIR/bare.json.key"' } do
        local script = "unset MAKEFLAGS MFLAGS MAKELEVEL LUA_PATH LUA_CPATH; make demo " .. words
        local code, out, err = run.folder:run(script, run:env { DIR = run.folder.path }, child.root)
        assert.same({ 0, "" }, { code, err })
        assert.matches("a session is refreshed at the service", out)
        assert.equal("new", (select(3, row(out, "refresh token"))))
      end
      assert.equal(2, run.server:stats().tier2)
    end)

    it("says first that the service ends, and when", function()
      run:write_session "s.json"
      local _, out = demo "s.json"
      assert.is_true(out:find("switches this endpoint off: 2026-12-15 11:00:00 UTC", 1, true) < out:find("before", 1, true))
    end)

    it("leaves the file alone when the service refuses, and says why", function()
      run:write_session "s.json"
      local text = run.folder:read "s.json"
      run.server:fault { kind = "status", status = 410 }
      local code, out, err = demo "s.json"
      assert.equal(1, code)
      assert.matches("^grid: retired error, status 410", err)
      assert.equal(text, run.folder:read "s.json")
      assert.equal("s.json\ntmp", run.folder:list())
      assert_silent({ run:json "s.json" }, out, err)
    end)

    it("keeps the bytes of a broken answer where the command would", function()
      run:write_session "s.json"
      local text = run.folder:read "s.json"
      run.server:fault { kind = "trailing", execute = true }
      local code, _, err = demo "s.json"
      assert.equal(1, code)
      assert.equal(text, run.folder:read "s.json")
      local kept = err:match "is saved in [^\n]+/(tmp/%S+)"
      assert.matches('"refresh_token"', run.folder:read(kept))
      assert.equal("600", run:mode(kept))
    end)

    it("keeps the refresh token when the answer brings none", function()
      run:write_session "s.json"
      local old = payload "s.json".session.Privy.refresh_token
      run.server:fault { kind = "no_refresh_token", execute = true }
      assert.equal(0, (demo "s.json"))
      assert.equal(old, payload "s.json".session.Privy.refresh_token)
    end)

    it("asks for an API key, a file that can be read, and an address that can be used", function()
      local code, _, err = demo("s.json", { GRID_API_KEY = "" })
      assert.same({ 2, "grid: a session file needs an API key too: set GRID_API_KEY\n" }, { code, err })
      code, _, err = demo "none.json"
      assert.equal(1, code)
      assert.matches("none.json: No such file", err)
      code, _, err = demo("s.json", { GRID_BASE_URL = "http://example.com" })
      assert.equal(2, code)
      assert.matches("^grid: %$GRID_BASE_URL must be https", err)
    end)
  end)
end)
