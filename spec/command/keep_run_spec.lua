-- `grid keep run`, in rounds and with --once: each step is a process, on a store of
-- files, against the authorization server of the sandbox.

local clock = require "grid.keeper.clock"
local grid = require "grid"
local keep_harness = require "spec.command.keep_harness"

describe("grid keep run", function()
  local keep, server, folder

  setup(function()
    keep = keep_harness.start()
    server = keep.server
  end)
  teardown(function() keep:stop() end)

  before_each(function() folder = keep:begin() end)
  after_each(function() folder:remove() end)

  local function configure(...) return keep:configure(...) end
  local function shell(script) return keep:shell(script) end
  local function add(...) return keep:add(...) end

  it("ends by TERM with 0, after the refresh under way was saved, and tells metrics", function()
    add("ann", 0.001)
    server:fault { kind = "delay", hold = true }
    local code, out, err = shell [[
      KEEP run --config keeper.json --every 0.1 --metrics grid.prom >out & held 1; kill $!; sleep 0.3; kill -0 $! && release
      wait $!; echo $?; cat out; keep get ann --field access_token]]
    assert.same({ 0, "" }, { code, err })
    assert.equal("0\nrefreshed ann, generation 2\n" .. server:all_families()[1].access_token .. "\n", out)
    assert.equal(1, server:counts().executions)
    local metrics = folder:read "grid.prom"
    assert.matches('\ngrid_keeper_events_total{event="refreshed"} 1\n', metrics)
    assert.is_nil(folder:list():find("grid.prom.tmp", 1, true))
  end)

  it("refreshes once what is due, and tells by its exit code that this failed", function()
    add("ann", 0.001)
    add("ben", 0.001)
    add("fresh", 3600)
    local code, out, err = shell "sleep 1; keep run --once" -- the wall clock has whole seconds
    assert.same({ 0, "" }, { code, err })
    assert.matches("^refreshed %a%a%a, generation 2\nrefreshed %a%a%a, generation 2\n$", out)
    assert.equal(2, server:counts().executions)
    assert.same({ 0, "", "" }, { shell "keep run --once" })
    add("eve", 0.001)
    server:fault { kind = "status", status = 503 }
    code, out, err = shell "sleep 1; keep run --once --metrics grid.prom"
    assert.same({ 1, "failed eve: api (service_unavailable)\n" }, { code, out })
    assert.equal("grid: keep run: a due session was not refreshed: `grid keep status ID` shows its last error\n", err)
    assert.matches('\ngrid_keeper_events_total{event="failed"} 1\n', folder:read "grid.prom")
    code, out, err = shell "keep run --once --every 3"
    assert.same({ 2, "", "grid: keep run: --once and --every exclude each other\n" }, { code, out, err })
  end)

  it("refreshes once what is due, although a hundred records before it cannot be read", function()
    add("ann", 0.001)
    local store = grid.store.file { directory = folder.path .. "/sessions" }
    for i = 1, 100 do assert(store:put("bad" .. i, nil, "no record", i)) end
    local code, out = shell "sleep 1; keep run --once"
    assert.equal(1, code)
    assert.matches("\nrefreshed ann, generation 2\n", out)
  end)

  it("refreshes what is due, although a file of the store cannot be read, and names that file", function()
    local path = "sessions/00/" .. ("0"):rep(64)
    local problem = ("grid: store error (not_read): cannot read %s: Is a directory\n"):format(path)
    add("ann", 0.001)
    folder:run("mkdir " .. path)
    assert.same({ 1, "refreshed ann, generation 2\n", problem }, { shell "sleep 1; keep run --once" })
    assert.same({ 1, "", problem }, { shell "keep run --once" })
    add("ben", 0.001)
    local code, out, err = shell [[
      sleep 1; KEEP run --config keeper.json --every 0.1 >out & executed 2; kill $!; wait $!; echo $?; cat out]]
    assert.equal(0, code)
    assert.matches("^0\n.*refreshed ben, generation 2\n", out)
    assert.equal(problem, err)
    shell "keep remove ann; keep remove ben"
    assert.same({ 1, "", problem }, { shell "keep run" })
  end)

  -- A hundred sessions that are due, of log-ins that the server does not know, or knows.
  local function add_hundred(tokens)
    local keeper = grid.keeper {
      store = grid.store.file { directory = folder.path .. "/sessions" },
      exchange = grid.exchange.oauth2 { token_url = server.token_url, client_id = "app", client_auth = "none" },
    }
    for i = 1, 100 do
      local token = tokens and tokens[i].refresh_token or "revoked-" .. i
      assert(keeper:add("id" .. i, { access_token = "a", refresh_token = token, expires_in = 0.001 }))
    end
    keeper:close()
  end

  it("refreshes once what is due, although a hundred sessions before it have been revoked", function()
    add_hundred()
    add("ann", 0.9)
    local code, out = shell "sleep 1; keep run --once"
    assert.equal(1, code)
    assert.matches("\nrefreshed ann, generation 2\n", out)
  end)

  it("refreshes once what is due, although the server refuses a hundred before it", function()
    add_hundred()
    add("ann", 0.9)
    server:fault { kind = "status", status = 503, count = 100 }
    local code, out = shell "sleep 1; keep run --once"
    assert.equal(1, code)
    assert.matches("\nrefreshed ann, generation 2\n", out)
  end)

  it("begins nothing more after a signal, while it refreshes once what is due", function()
    add_hundred(server:families { count = 100 })
    server:fault { kind = "delay", hold = true, count = 16 }
    local code, out, err = shell [[
      sleep 1; KEEP run --config keeper.json --once >out & held 16; kill $!; sleep 0.3; kill -0 $! || exit 9; release
      wait $!; echo $?; grep -c "^refreshed" out]]
    assert.same({ 0, "0\n16\n", "" }, { code, out, err })
    assert.equal(16, server:counts().executions)
  end)

  -- A session of an hour, which another machine has begun to refresh after so many
  -- seconds, and has died; its time was 3 seconds.
  local function leave(seconds)
    local identity, boot = clock.identity, clock.boot
    local keeper = grid.keeper {
      store = grid.store.file { directory = folder.path .. "/sessions" }, timeout = 1,
      exchange = { request = function() coroutine.yield() end, read = function() end },
    }
    local family = server:family()
    clock.boot = function() return boot() - seconds end
    assert(keeper:add("ann", { access_token = family.access_token, refresh_token = family.refresh_token, expires_in = 3600 }))
    clock.boot = boot
    clock.identity = function(instance) return { instance = instance, pid = "1", machine_id = "another", boot_id = "another" } end
    coroutine.wrap(function() keeper:refresh "ann" end)() -- until its intent is put
    keeper:close()
    clock.identity = identity
  end

  it("refreshes once what another machine has begun to refresh, when the time of that is over", function()
    server:set { mode = "idempotent" }
    configure({ reuse = "idempotent", idempotency_header = "Idempotency-Key" }, { timeout = 1 })
    leave(3500)
    local code, out, err = shell "sleep 4; keep run --once"
    assert.same({ 0, "replayed ann, generation 1\nrefreshed ann, generation 2\n", "" }, { code, out, err })
  end)

  it("tells once that a record cannot be read, in rounds, or while it waits for another machine", function()
    server:set { mode = "idempotent" }
    configure({ reuse = "idempotent", idempotency_header = "Idempotency-Key" }, { timeout = 1 })
    leave(3600)
    assert(grid.store.file { directory = folder.path .. "/sessions" }:put("bad", nil, "no record", 1))
    local code, out = shell "sleep 4; keep run --once"
    assert.equal(1, code)
    assert.equal("failed bad: store (record_corrupt)\nreplayed ann, generation 1\nrefreshed ann, generation 2\n", out)
    local store = grid.store.file { directory = folder.path .. "/sessions" }
    local _, rev = store:get "bad"
    assert(store:put("bad", rev, "grid-keeper-record 9\n", 1))
    add("ben", 0.001)
    code, out = shell [[
      KEEP run --config keeper.json --every 0.1 --metrics grid.prom >out & executed 2; sleep 0.5; kill $!; wait $!; cat out]]
    assert.same({ 0, "failed bad: store (record_version)\nrefreshed ben, generation 2\n" }, { code, out })
    local failures = folder:read "grid.prom":match '{event="failed"} (%d+)\n'
    assert.is_true(tonumber(failures) > 1, failures)
  end)

  it("sends nothing again at a strict server while the session of another machine is valid", function()
    configure(nil, { timeout = 1 })
    leave(3500)
    assert.same({ 0, "suspended ann, generation 1\n", "" }, { shell "sleep 4; keep run --once" })
    shell "rm -r sessions"
    leave(3600)
    local code, out, err = shell "sleep 4; keep run --once"
    assert.same({ 0, "replayed ann, generation 1\nrefreshed ann, generation 2\n", "" }, { code, out, err })
  end)

  it("waits no longer for another machine when a signal ends what is refreshed once", function()
    configure(nil, { timeout = 20 })
    leave(3600)
    local code, out, err = shell [[
      sleep 4; KEEP run --config keeper.json --once >out & sleep 1; kill -0 $! || exit 9; kill $!
      for i in 1 2 3 4 5 6 7 8; do sleep 0.25; kill -0 $! 2>/dev/null || break; done
      kill -KILL $! 2>/dev/null && exit 8; wait $!; echo $?; cat out]]
    assert.same({ 0, "0\n", "" }, { code, out, err })
  end)
end)
