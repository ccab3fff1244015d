-- Keepers of several processes over one folder, with the authorization server of the
-- sandbox: who refreshes, and what is left when a process is killed.

local child = require "spec.support.child"
local grid = require "grid"
local json = require "grid.json"
local oauth_server = require "spec.support.oauth_server"
local raw_rig = require "spec.support.rig"

describe("keepers of several processes #slow", function()
  local server, folder

  setup(function() server = oauth_server.share() end)
  teardown(function() server:stop() end)

  before_each(function()
    server:reset()
    raw_rig.mark()
    folder = child.folder()
  end)

  after_each(function()
    folder:remove()
    raw_rig.assert_nothing_left()
  end)

  local function exchange(mode)
    return {
      token_url = server.token_url, client_id = server.client_id, client_secret = server.client_secret, reuse = mode,
      reuse_seconds = mode == "grace" and 60 or nil, idempotency_header = mode == "idempotent" and "Idempotency-Key" or nil,
    }
  end

  local function keeper_of(mode)
    return grid.keeper {
      exchange = grid.exchange.oauth2(exchange(mode)), store = grid.store.file { directory = folder.path .. "/sessions" },
    }
  end

  -- A session that is over already.
  local function add_expired(keeper)
    local tokens = server:family()
    assert(keeper:add("me", { access_token = tokens.access_token, refresh_token = tokens.refresh_token, expires_in = 0.001 }))
    return tokens
  end

  -- Lua text that knows `keeper`, as a program of its own: `$run FILE`.
  local function program(name, mode, body)
    local fields = {}
    for field, value in pairs(exchange(mode)) do fields[#fields + 1] = ("%s = %s"):format(field, json.encode(value)) end
    folder:write(name, ([[
      local grid = require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { %s }, store = grid.store.file { directory = "sessions" },
      }
    ]]):format(table.concat(fields, ", ")) .. body)
    folder:write("run", "exec env " .. child.vm .. ' "$@"')
  end

  it("refresh once for thirty that ask at once", function()
    local keeper = keeper_of "strict"
    local first = add_expired(keeper)
    program("get", "strict", [[
      print((assert(keeper:get("me", { timeout = 60 })).access_token))
    ]])
    local code, out, err = folder:run [[
      for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do sh ./run get & done
      wait
    ]]
    assert.same({ 0, "" }, { code, err })
    local counts = server:counts()
    assert.same({ 1, 1, 0 }, { counts.executions, counts.rotations, counts.reuses })
    local token = assert(keeper:get "me").access_token
    assert.equal((token .. "\n"):rep(30), out)
    assert.is_false(server:token(first.refresh_token).living)
    keeper:close()
  end)

  it("refresh one after the other, and lose nothing, on a strict server", function()
    local keeper = keeper_of "strict"
    add_expired(keeper)
    program("refresh", "strict", [[
      for _ = 1, 10 do assert(keeper:refresh("me", { timeout = 60 })) end
    ]])
    local code, _, err = folder:run "for i in 1 2 3 4; do sh ./run refresh & done; wait"
    assert.same({ 0, "" }, { code, err })
    local counts = server:counts()
    assert.equal(0, counts.reuses)
    assert.equal(counts.rotations, counts.executions)
    assert.equal(counts.rotations + 1, assert(keeper:status "me").generation)
    keeper:close()
  end)

  -- Something else fills the disk between the request and the answer.
  it("save an answer although the disk has become full", function()
    if not child.can_mount() then return pending "no mounts of its own for a program here" end
    local tokens = server:family()
    program("refresh", "strict", ([[
      assert(keeper:add("me", { access_token = %q, refresh_token = %q, expires_in = 300 }))
      local request = keeper.exchange.request
      function keeper.exchange.request(...)
        os.execute "cat /dev/zero >sessions/full 2>&-"
        return request(...)
      end
      assert(keeper:refresh("me", { timeout = 1 }))
      keeper:close()
      keeper = grid.keeper { exchange = keeper.exchange, store = grid.store.file { directory = "sessions" } }
      print(keeper:status "me".generation)
      local _, err = keeper:refresh("me", { timeout = 1 }) -- no space for the next intent
      print(err.kind, err.code)
      keeper:close()
    ]]):format(tokens.access_token, tokens.refresh_token))
    local code, out, err = folder:run [[
      mkdir sessions
      exec unshare -m sh -c 'mount -t tmpfs -o size=64k,mode=700 none sessions && sh ./run refresh']]
    assert.same({ 0, "", "2\nstore\tnot_written\n" }, { code, err, out })
    local counts = server:counts()
    assert.same({ 1, 0 }, { counts.executions, counts.reuses })
  end)

  for _, mode in ipairs { "idempotent", "grace" } do
    it("go on at once with the refresh of one that was killed, where the server is " .. mode, function()
      server:set { mode = mode }
      local keeper = keeper_of(mode)
      add_expired(keeper)
      server:fault { kind = "delay", hold = true }
      program("get", mode, "keeper:get 'me'")
      os.execute(("cd %s && { sh ./run get >out 2>&1 & echo $! >pid; }"):format(child.quote(folder.path)))
      server:wait_held(1)
      -- It is killed while this process waits for it.
      os.execute(("{ sleep 0.3; kill -9 %d; } &"):format(tonumber(folder:read "pid")))
      assert.is_true(assert(keeper:get "me").generation >= 2)
      assert.equal(0, server:counts().revoked_families)
      assert.is_true(server:all_families()[1].living)
      server:release()
      keeper:close()
    end)
  end
end)
