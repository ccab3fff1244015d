-- The rounds of a keeper: keeper:run as the work of a whole program, and keeper:start.

local child = require "spec.support.child"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"

local server, keeper, folder

local function start(given)
  server = rig.server()
  keeper = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  if folder then folder:remove() end
  keeper, server, folder = nil, nil, nil
  rig.finish()
end)

describe("keeper:run", function()
  it("keeps sessions alive until a signal, and ends in order", function()
    folder = child.folder()
    server = rig.process()
    folder:write("run.lua", ([[
      local grid = require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = %q, client_id = "app", client_auth = "none" },
        store = grid.store.file { directory = "sessions" },
        on_event = function(event) print(event.name) io.stdout:flush() end,
      }
      assert(keeper:add("me", { access_token = "access-0", refresh_token = "run-0", expires_in = 0.001 }))
      assert(keeper:run { every = 0.1 })
      keeper:close()
      print "over"
    ]]):format(server.url))
    local code, out = folder:run(([[
      %s run.lua >out & pid=$!
      until grep -q refreshed out; do sleep 0.05; done
      kill -TERM $pid
      wait $pid; echo $?
      cat out
    ]]):format("env " .. child.vm))
    assert.equal(0, code)
    assert.equal("0\nadded\nrefreshed\nover\n", out)
  end)

  it("ends when the program says so", function()
    local out, is_well = raw_rig.run [[
      local grid = require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
        store = grid.store.memory(),
      }
      local rounds = 0
      assert(keeper:run { every = 0.01, stop_when = function() rounds = rounds + 1 return rounds > 5 end })
      keeper:close()
      io.write "over"
    ]]
    assert.same({ "over", true }, { out, is_well })
  end)

  it("ends also when the program says so only once, by any value that counts as true", function()
    local out, is_well = raw_rig.run [[
      local grid = require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
        store = grid.store.memory(),
      }
      for at = 1, 4 do
        local looks = 0
        local function stop_when()
          looks = looks + 1
          return looks > 20 or looks == at and "yes"
        end
        assert(keeper:run { every = 0.01, stop_when = stop_when } == true)
        io.write(looks, " ")
      end
    ]]
    assert.same({ "1 2 3 4 ", true }, { out, is_well })
  end)

  -- `text` makes the runs; then the process gets TERM. -> does it survive?
  local function survives(text)
    local out, is_well = raw_rig.run([[
      local core, grid = require "grid.core", require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
        store = grid.store.memory(),
      }
      local function run() return keeper:run { stop_when = function() return true end } end
    ]] .. text .. [[
      io.write "over"
      io.flush()
      os.execute("kill -TERM " .. core.pid())
      io.write " and survived"
    ]])
    assert.truthy(out:find "^over", out)
    return is_well
  end

  it("leaves signals to the program that it returns to", function()
    assert.is_false(survives "run() run()")
    assert.is_false(survives "pcall(keeper.run, keeper, { stop_when = function() error 'canary' end })")
    assert.is_true(survives "core.catch_signals() run()")
  end)

  it("goes on at once where more is due than a round has room for", function()
    start()
    for i = 1, 150 do
      assert(keeper:add("s" .. i, { access_token = "access-0", refresh_token = ("s%d-0"):format(i), expires_in = 3600 }))
    end
    rig.pass(3600 - 30)
    local looks = 0
    assert(keeper:run { every = 3600, stop_when = function()
      looks = looks + 1
      return looks > 160 -- one for each session, one for each round, and few in a pause
    end })
    assert.equal(150, keeper.counters.refreshed)
  end)

  it("tells once that the store does not say what is due", function()
    local out, is_well = raw_rig.run [[
      local grid = require "grid"
      local store, rounds = grid.store.memory(), 0
      local due = store.due
      function store.due(...) if rounds < 4 or rounds > 6 then error "disk" end return due(...) end
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
        store = store,
        on_event = function(event) io.write(event.name, " ", event.kind, " ", event.code, " ", tostring(event.id), ",") end,
      }
      assert(keeper:run { every = 0.001, stop_when = function() rounds = rounds + 1 return rounds > 10 end })
    ]]
    local line = "failed store store_failed nil,"
    assert.same({ line .. line, true }, { out, is_well })
  end)
end)

describe("keeper:start", function()
  it("needs a host that runs coroutines", function()
    start { host = require "grid.host.blocking" }
    local ok, err = keeper:start()
    assert.is_nil(ok)
    raw_rig.assert_error(err, { kind = "request", code = "no_background" })
  end)
end)
